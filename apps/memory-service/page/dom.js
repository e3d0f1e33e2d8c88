/** @typedef {Node | string | number | false | null | undefined | readonly Child[]} Child */
/** @typedef {{ handle(event: Event): void }["handle"]} Handle */
/** @typedef {Readonly<Record<string, string | number | boolean | null | undefined | Handle>>} Props */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Makes an element. Strings become text, never HTML. A property that is a function listens to the event of its name
 * ("onclick"), `true` is an empty attribute, `false` and `undefined` are none.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Props} [props]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/**
 * Makes an element of a drawing.
 *
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Props} [props]
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function s(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

/**
 * Replaces the children of an element.
 *
 * @param {Element} element
 * @param {...Child} children
 */
export function put(element, ...children) {
  element.replaceChildren(...nodesOf(children));
}

/**
 * @template {Element} Made
 * @param {Made} element
 * @param {Props} props
 * @param {readonly Child[]} children
 */
function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === false || value === null) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name === "value" && "value" in element) element.value = String(value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...nodesOf(children));
  return element;
}

/**
 * @param {readonly Child[]} children
 * @returns {(Node | string)[]}
 */
function nodesOf(children) {
  return children.flatMap((child) => {
    if (child === undefined || child === null || child === false) return [];
    if (child instanceof Node) return [child];
    return typeof child === "object" ? nodesOf(child) : [String(child)];
  });
}
