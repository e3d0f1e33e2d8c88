import { type Embedder, hashEmbedder, type Memory, openMemory } from "@penguiflow/memory-service";

/** A text that the embedder of {@link openHousehold} refuses: its job dies. */
const UNREADABLE = "This one cannot be embedded.";

/** A hostile text: what it would do shows that a page took it for HTML. */
export const HOSTILE = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;

const said = [
  ["Ada", "The gate code is 4711, and the gate sticks when it rains.", "monday"],
  ["Bob", "Noted. When does the dog need to go out?", "monday"],
  ["Ada", "At seven, before breakfast. He likes the path by the river.", "monday"],
  ["Ada", "The vet wants to see the dog again in March, for his left paw.", "vet"],
  ["Vet", "Left paw: a splinter, removed. Keep it dry for three days.", "vet"],
  [
    "Ada",
    "Grandmother’s recipe: two eggs, flour by feeling, and never open the oven before the bell rings.",
    "kitchen",
  ],
  [
    "Bob",
    "The boiler makes a noise like a distant train when the pressure is below one bar. Open the valve under the stairs, slowly, until the needle is in the green.",
    "house",
  ],
  ["Ada", "The neighbour has a key to the gate.", "house"],
  ["Ada", "The gate was painted green in May.", "house"],
  ["Ada", "The dog is afraid of the gate since it fell shut behind him.", "house"],
  ["Bob", "Gate hinges: oil them every autumn.", "house"],
  ["Ada", "The code of the alarm is on the back of the clock.", "house"],
] as const;

/** Opens a memory in which ada of the tenant local has talked, bob and another tenant too. */
export async function openHousehold(): Promise<{ readonly memory: Memory; readonly ids: readonly string[] }> {
  const hashed = hashEmbedder();
  const embedder: Embedder = {
    ...hashed,
    embed: async (texts, signal, kind) => {
      if (texts.includes(UNREADABLE)) throw new Error("It cannot be read");
      return await hashed.embed(texts, signal, kind);
    },
  };
  const memory = await openMemory({ embedder });
  const ada = memory.as({ tenant: "local", user: "ada" });
  const hour = 3_600_000;
  const start = Date.now() - 3 * 24 * hour;
  const ids: string[] = [];
  for (const [at, [source, text, conversation]] of said.entries()) {
    const turn = {
      text,
      source,
      conversation,
      role: source === "Vet" ? "tool" : "user",
      saidAt: start + at * hour,
    } as const;
    ids.push((await ada.ingest(turn)).id);
  }
  const [gate = "", , dog = "", vet = "", , , , , painted = ""] = ids;
  await ada.setPrivacy(dog, "tenant");
  await ada.share(gate, { tenant: "local", user: "bob" });
  await ada.share(gate, { tenant: "office", user: "eve" }, { expiresAt: Date.now() + 24 * hour });
  await ada.reinforce(gate, 1);
  await ada.reinforce(vet, 0.5);
  const newer = { text: "The gate is blue now.", source: "Ada", conversation: "house", supersedes: painted };
  ids.push((await ada.ingest(newer)).id);
  await ada.retrieve({ query: "code of the gate" });
  const bob = memory.as({ tenant: "local", user: "bob" });
  await bob.ingest({ text: "Bob’s secret: the gate money is in the teapot." });
  await memory
    .as({ tenant: "office", user: "eve" })
    .ingest({ text: "The office gate opens at nine.", level: "tenant" });
  await memory.drained();
  return { memory, ids };
}
