import type { ModelScript } from "@penguiflow/planner/testing";

/** Plays the model: looks the order up, pays it back if that is asked for, and answers. */
export const script: ModelScript = ({ prompt }) => {
  const asked = prompt.findLastIndex(({ role }) => role === "user");
  const question = JSON.stringify(prompt[asked]);
  const results = prompt.slice(asked).filter(({ role }) => role === "tool");
  const [, order] = /\b(\d{4})\b/.exec(question) ?? [];
  if (order === undefined) return "Which order is it? Its number has four digits, such as 4471.";
  if (results.length === 0) return { calls: [{ tool: "find_order", args: { order } }] };
  const found = JSON.stringify(results[0]);
  const [, euros] = /"euros":([\d.]+)/.exec(found.replaceAll("\\", "")) ?? [];
  if (euros === undefined) return `I do not know order ${order}.`;
  const wantsRefund = /refund|back/i.test(question);
  if (wantsRefund && results.length === 1)
    return { calls: [{ tool: "refund", args: { order, euros: Number(euros) } }] };
  if (wantsRefund)
    return JSON.stringify(results[1]).includes("paid back") ? `Order ${order} is paid back.` : "Nothing is paid back.";
  const [, state] = /"state":"([^"]+)"/.exec(found.replaceAll("\\", "")) ?? [];
  return `Order ${order} is ${state}.`;
};
