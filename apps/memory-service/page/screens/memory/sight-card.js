/** @import { Grant, Level } from "../../../src/index.ts" */
/** @import { Shown } from "./screen.js" */
import { setLevel, share, unshare } from "../../api.js";
import { h } from "../../dom.js";
import { icon } from "../../parts/icon.js";
import { LEVELS } from "../../parts/level.js";
import { tell } from "../../parts/problem.js";
import { fullTime } from "../../words.js";

/**
 * Says and changes who sees a memory: its level, and its grants.
 *
 * @param {Shown} shown
 */
export function sightCard(shown) {
  const { memory, stage, reload } = shown;
  const failure = h("div", {});
  const canWrite = stage.principal.scopes.includes("write");
  const choose = (/** @type {Level} */ level) =>
    tell(failure, async () => (await setLevel(memory.id, level), await reload()));
  const hasGrants = memory.grants.length > 0;
  return h(
    "section",
    { class: "card panel", "aria-labelledby": "sight" },
    h("h2", { id: "sight" }, "Who sees it"),
    h(
      "fieldset",
      { class: "choices", disabled: !canWrite },
      h("legend", { class: "sr-only" }, "Level"),
      Object.entries(LEVELS).map(([name, { word, who }]) => {
        const level = /** @type {Level} */ (name);
        return h(
          "label",
          { class: "choice" },
          h("input", {
            type: "radio",
            name: "sight-level",
            value: level,
            checked: memory.level === level,
            onchange: () => void choose(level),
          }),
          icon(level),
          h("span", {}, h("strong", {}, word), h("span", { class: "quiet small" }, who)),
        );
      }),
    ),
    memory.level === "shared" && hasGrants && h("p", { class: "hint" }, "Another level ends all grants."),
    h(
      "ul",
      { class: "grants", "aria-label": "Grants" },
      memory.grants.map((grant) => grantRow(shown, grant, failure)),
    ),
    stage.principal.scopes.includes("share") && grantForm(shown, failure),
    failure,
  );
}

/**
 * @param {Shown} shown
 * @param {Grant} grant
 * @param {Element} failure
 */
function grantRow({ memory, stage, reload }, { tenant, user, expiresAt }, failure) {
  const name = tenant === stage.principal.tenant ? user : `${tenant}/${user}`;
  const isOver = expiresAt !== undefined && expiresAt <= Date.now();
  const end = () => tell(failure, async () => (await unshare(memory.id, { tenant, user }), await reload()));
  return h(
    "li",
    {},
    h("span", { class: "grant-name" }, name),
    expiresAt !== undefined &&
      h("span", { class: "quiet small" }, `${isOver ? "ended" : "until"} ${fullTime(expiresAt)}`),
    stage.principal.scopes.includes("share") &&
      h(
        "button",
        {
          class: "button quiet small",
          type: "button",
          "aria-label": `Take back from ${name}`,
          onclick: () => void end(),
        },
        "Take back",
      ),
  );
}

/**
 * @param {Shown} shown
 * @param {Element} failure
 */
function grantForm({ memory, stage, reload }, failure) {
  const user = h("input", { class: "field", id: "grant-user", required: true, autocomplete: "off" });
  const tenant = h("input", { class: "field", id: "grant-tenant", autocomplete: "off", value: stage.principal.tenant });
  const until = h("input", { class: "field", id: "grant-until", type: "datetime-local" });
  /** @param {Event} event */
  const submit = (event) => {
    event.preventDefault();
    const expiresAt = until.value === "" ? undefined : new Date(until.value).getTime();
    void tell(failure, async () => {
      await share(memory.id, { tenant: tenant.value.trim(), user: user.value.trim() }, expiresAt);
      await reload();
    });
  };
  return h(
    "details",
    { class: "grant-new" },
    h("summary", {}, "Share with …"),
    h(
      "form",
      { class: "fields", onsubmit: submit },
      h("label", { class: "label", for: "grant-user" }, "User"),
      user,
      h("label", { class: "label", for: "grant-tenant" }, "Tenant"),
      tenant,
      h("label", { class: "label", for: "grant-until" }, "Until (optional)"),
      until,
      memory.level === "private" && h("p", { class: "hint" }, "A private memory becomes shared."),
      h("div", {}, h("button", { class: "button", type: "submit" }, "Share")),
    ),
  );
}
