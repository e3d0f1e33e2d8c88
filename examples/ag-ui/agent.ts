import { createPlanner, tool } from "@penguiflow/planner";
import { z } from "zod";
import { modelOr } from "../agent-quickstart/model.ts";

const ROOMS = [
  { room: "Adélie", seats: 4 },
  { room: "Emperor", seats: 12 },
];

const findRoom = tool({
  name: "find_room",
  description: "Finds rooms with enough seats",
  input: z.object({ people: z.number().int().positive() }),
  effects: "reads",
  run: ({ people }) => ROOMS.filter(({ seats }) => seats >= people),
});

const bookRoom = tool({
  name: "book_room",
  description: "Books a room",
  input: z.object({ room: z.string(), hours: z.number().int().min(1).max(8) }),
  effects: "writes",
  approval: true,
  run: ({ room, hours }, { caller }) => `${room} is booked for ${caller.user}: ${hours} h`,
});

/** The script looks for a room, books it, and says what came of it. */
const model = modelOr(({ prompt }) => {
  const asked = prompt.findLastIndex(({ role }) => role === "user");
  const results = prompt.slice(asked).filter(({ role }) => role === "tool");
  if (results.length === 0) return { text: "I look for a room.", calls: [{ tool: "find_room", args: { people: 8 } }] };
  if (results.length === 1) return { calls: [{ tool: "book_room", args: { room: "Emperor", hours: 2 } }] };
  return JSON.stringify(results.at(-1)).includes("denied") ? "I have booked nothing." : "Your room is booked.";
});

/** Creates an agent that books rooms: a person approves each booking. */
export function createAgent() {
  return createPlanner({
    name: "rooms",
    model,
    instructions: "You book meeting rooms. Find a room before you book it.",
    tools: [findRoom, bookRoom],
  });
}
