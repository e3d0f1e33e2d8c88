/** @import { Item } from "./screen.js" */
import { h } from "../../dom.js";
import { levelBadge } from "../../parts/level.js";
import { when } from "../../parts/when.js";
import { addressOf } from "../../router.js";

/**
 * A memory in a list: its first lines, and who said it when.
 *
 * @param {Item} item
 */
export function memoryRow({ why, ...item }) {
  const { id, text, source, role, conversation, saidAt, createdAt, level, supersededBy } = item;
  const isSaidEarlier = createdAt - saidAt > 60_000;
  return h(
    "li",
    { class: "memory-row", "data-old": supersededBy !== undefined },
    h("a", { class: "memory-text", href: addressOf("memory", id) }, text),
    h(
      "p",
      { class: "memory-meta" },
      levelBadge(level),
      supersededBy !== undefined && h("span", { class: "tag" }, "superseded"),
      h("span", {}, source ?? role),
      ownerOf(item),
      conversation !== undefined && h("span", { class: "mono" }, conversation),
      why === undefined && when(createdAt, "time"),
      (why !== undefined || isSaidEarlier) && h("span", {}, "said ", when(saidAt)),
      why?.words !== undefined && h("span", { class: "tag tone-completed" }, `words #${why.words}`),
      why?.vectors !== undefined && h("span", { class: "tag tone-paused" }, `vectors #${why.vectors}`),
    ),
  );
}

/**
 * Names the owner of what belongs to another user: own memories need no name.
 *
 * @param {Pick<Item, "owner" | "tenant" | "isOwn">} item
 */
function ownerOf({ owner, tenant, isOwn }) {
  return !isOwn && h("span", {}, `belongs to ${tenant === undefined ? owner : `${tenant}/${owner}`}`);
}
