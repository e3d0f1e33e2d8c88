import { useSignal } from "@preact/signals";
import { ApiFailure, messageOf } from "../../api/api-failure.ts";
import { api } from "../../api/routes.ts";
import { fieldsOf, initialValue, problemsIn, problemsOf, type FieldProblem } from "../../forms/schema-fields.ts";
import { SchemaForm } from "../../forms/schema-form.tsx";
import { JsonView } from "../../parts/json-view.tsx";
import { pathTo } from "../../routing/route-pattern.ts";
import { go } from "../../routing/router.ts";
import type { ToolView } from "../../protocol.ts";
import { isReadOnly } from "../../store/project.ts";
import { Rules } from "./rules.tsx";

/** A tool in full: what it takes and gives, its rules, and a form that calls it. */
export function ToolDetail({ tool }: { readonly tool: ToolView }) {
  return (
    <aside class="side" aria-label={`Tool ${tool.name}`}>
      <section class="side-part">
        <header>
          <h2 class="mono">{tool.name}</h2>
          <Rules tool={tool} />
        </header>
        <p>{tool.description ?? "It has no description: the model sees only its name and its schema."}</p>
      </section>
      {isReadOnly.value ? null : <TryIt tool={tool} />}
      <Schema title="Takes" schema={tool.inputSchema} />
      <Schema title="Gives" schema={tool.outputSchema} />
    </aside>
  );
}

/** Calls the tool through the planner's own policies. The call becomes a run. */
function TryIt({ tool }: { readonly tool: ToolView }) {
  const value = useSignal<unknown>(initialValue(tool.inputSchema));
  const problems = useSignal<readonly FieldProblem[]>([]);
  const error = useSignal<unknown>(undefined);
  const isSending = useSignal(false);
  const mayWrite = useSignal(false);
  const isUnconfirmed = error.value instanceof ApiFailure && error.value.code === "WRITES_UNCONFIRMED";
  const asksFirst = tool.effects === "writes" || isUnconfirmed;
  async function call(): Promise<void> {
    problems.value = problemsOf(fieldsOf(tool.inputSchema), value.value);
    if (problems.value.length > 0 || isSending.value) return;
    isSending.value = true;
    error.value = undefined;
    try {
      const args = value.value ?? {};
      const { runId } = await api.callTool(tool.name, {
        flow: tool.flow,
        args,
        ...(mayWrite.value ? { allowWrites: true } : {}),
      });
      go(pathTo("runs", tool.flow, runId));
    } catch (cause) {
      error.value = cause;
      if (cause instanceof ApiFailure) problems.value = problemsIn(cause.details);
    } finally {
      isSending.value = false;
    }
  }
  return (
    <form
      class="side-part tool-try"
      onSubmit={(event) => {
        event.preventDefault();
        void call();
      }}
    >
      <header>
        <h2 class="label">Try it</h2>
        <span class="quiet small">through the planner's policies; becomes a run</span>
      </header>
      <SchemaForm
        schema={tool.inputSchema}
        value={value.value}
        onChange={(next) => (value.value = next)}
        problems={problems.value}
        isDisabled={isSending.value}
      />
      {asksFirst ? (
        <label class="tool-confirm">
          <input
            type="checkbox"
            checked={mayWrite.value}
            onChange={(event) => (mayWrite.value = event.currentTarget.checked)}
          />
          It may write: it changes something outside
        </label>
      ) : null}
      {error.value === undefined ? null : (
        <p class="form-problem" role="alert">
          {messageOf(error.value)}
        </p>
      )}
      <button type="submit" class="button primary" disabled={isSending.value || (asksFirst && !mayWrite.value)}>
        Call {tool.name}
      </button>
    </form>
  );
}

function Schema({ title, schema }: { readonly title: string; readonly schema: unknown }) {
  return (
    <section class="side-part">
      <header>
        <h2 class="label">{title}</h2>
      </header>
      {schema === undefined ? (
        <p class="quiet small">No schema is known.</p>
      ) : (
        <JsonView value={schema} openDepth={3} />
      )}
    </section>
  );
}
