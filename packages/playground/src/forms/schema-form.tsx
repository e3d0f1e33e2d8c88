import { useSignal } from "@preact/signals";
import { useId, useMemo } from "preact/hooks";
import { pretty } from "../parts/json-text.ts";
import { fieldsOf, valueAt, withValueAt, type Field, type FieldProblem } from "./schema-fields.ts";

interface FormProps {
  readonly schema: unknown;
  readonly value: unknown;
  readonly onChange: (value: unknown) => void;
  readonly problems?: readonly FieldProblem[];
  readonly isDisabled?: boolean;
}

/** A form for a value that a JSON Schema describes; the value can be written as JSON instead. */
export function SchemaForm(props: FormProps) {
  const fields = useMemo(() => fieldsOf(props.schema), [props.schema]);
  const isRaw = useSignal(false);
  const hasFields = fields.some((field) => field.kind !== "json" || field.path.length > 0);
  return (
    <div class="form">
      {isRaw.value || !hasFields ? (
        <JsonField {...props} path={[]} label="JSON" />
      ) : (
        fields.map((field) => <FieldRow key={field.path.join(".")} {...props} field={field} />)
      )}
      {hasFields ? (
        <button type="button" class="button quiet small form-raw" onClick={() => (isRaw.value = !isRaw.value)}>
          {isRaw.value ? "As fields" : "As JSON"}
        </button>
      ) : null}
    </div>
  );
}

function FieldRow(props: FormProps & { readonly field: Field }) {
  const { field } = props;
  const id = useId();
  if (field.kind === "group") {
    return (
      <fieldset class="form-group">
        <legend>{field.label}</legend>
        {field.fields.map((inner) => (
          <FieldRow key={inner.path.join(".")} {...props} field={inner} />
        ))}
      </fieldset>
    );
  }
  const problem = problemAt(props.problems, field.path);
  if (field.kind === "json") return <JsonField {...props} path={field.path} label={field.label} />;
  const notes = [field.description === undefined ? "" : `${id}-note`, problem === undefined ? "" : `${id}-problem`];
  return (
    <div class="form-row">
      <label for={id}>
        {field.label}
        {field.isRequired ? null : <span class="quiet"> optional</span>}
      </label>
      <div>
        <FieldInput {...props} field={field} id={id} isBad={problem !== undefined} notes={notes.join(" ").trim()} />
        {field.description === undefined ? null : (
          <p id={`${id}-note`} class="form-note">
            {field.description}
          </p>
        )}
        {problem === undefined ? null : (
          <p id={`${id}-problem`} class="form-problem" role="alert">
            {problem}
          </p>
        )}
      </div>
    </div>
  );
}

function FieldInput(
  props: FormProps & {
    readonly field: Exclude<Field, { kind: "group" | "json" }>;
    readonly id: string;
    readonly isBad: boolean;
    readonly notes: string;
  },
) {
  const { field } = props;
  const value = valueAt(props.value, field.path);
  const set = (next: unknown): void => props.onChange(withValueAt(props.value, field.path, next));
  const shared = {
    id: props.id,
    class: "field mono",
    disabled: props.isDisabled === true,
    "aria-invalid": props.isBad,
    "aria-describedby": props.notes === "" ? undefined : props.notes,
  };
  switch (field.kind) {
    case "boolean":
      return (
        <input
          {...shared}
          class=""
          type="checkbox"
          checked={value === true}
          onChange={(event) => set(event.currentTarget.checked)}
        />
      );
    case "choice":
      return (
        <select
          {...shared}
          value={String(field.options.indexOf(value))}
          onChange={(event) => set(field.options[Number(event.currentTarget.value)])}
        >
          <option value="-1">{field.isRequired ? "Choose …" : "none"}</option>
          {field.options.map((option, index) => (
            <option key={index} value={String(index)}>
              {String(option)}
            </option>
          ))}
        </select>
      );
    case "number":
      return <NumberInput shared={shared} value={value} set={set} />;
    case "text":
      return field.isLong || textIn(value).includes("\n") ? (
        <textarea {...shared} rows={4} value={textIn(value)} onInput={(event) => set(event.currentTarget.value)} />
      ) : (
        <input
          {...shared}
          type="text"
          value={textIn(value)}
          onInput={(event) => {
            const text = event.currentTarget.value;
            set(text === "" && !field.isRequired ? undefined : text);
          }}
        />
      );
  }
}

/** A number, kept as it was typed: `49.` and `0.50` stay so while the person goes on. */
function NumberInput(props: {
  readonly shared: Readonly<Record<string, unknown>>;
  readonly value: unknown;
  readonly set: (value: number | undefined) => void;
}) {
  const typed = useSignal("");
  const given = textIn(props.value);
  return (
    <input
      {...props.shared}
      type="text"
      inputMode="decimal"
      value={Object.is(numberIn(typed.value), props.value) ? typed.value : given}
      onInput={(event) => {
        typed.value = event.currentTarget.value;
        props.set(numberIn(typed.value));
      }}
    />
  );
}

function textIn(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function numberIn(text: string): number | undefined {
  return text.trim() === "" ? undefined : Number(text.replace(",", "."));
}

/** A value written as JSON. What does not parse stays in the box, and is told. */
function JsonField(props: FormProps & { readonly path: readonly string[]; readonly label: string }) {
  const id = useId();
  const draft = useSignal<string | undefined>(undefined);
  const error = useSignal("");
  const problem = error.value === "" ? problemAt(props.problems, props.path) : error.value;
  function onInput(text: string): void {
    draft.value = text;
    try {
      props.onChange(withValueAt(props.value, props.path, text.trim() === "" ? undefined : JSON.parse(text)));
      error.value = "";
    } catch (cause) {
      error.value = cause instanceof Error ? cause.message : String(cause);
    }
  }
  const text = draft.value ?? pretty(valueAt(props.value, props.path));
  return (
    <div class="form-row is-wide">
      <label for={id}>{props.label}</label>
      <div>
        <textarea
          id={id}
          class="field mono"
          rows={Math.min(14, Math.max(3, text.split("\n").length))}
          spellcheck={false}
          disabled={props.isDisabled === true}
          aria-invalid={problem !== undefined}
          aria-describedby={problem === undefined ? undefined : `${id}-problem`}
          value={text}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
        {problem === undefined ? null : (
          <p id={`${id}-problem`} class="form-problem" role="alert">
            {problem}
          </p>
        )}
      </div>
    </div>
  );
}

function problemAt(problems: readonly FieldProblem[] | undefined, path: readonly string[]): string | undefined {
  return problems?.find((problem) => problem.path.join("\n") === path.join("\n"))?.message;
}
