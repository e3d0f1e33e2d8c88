import path from "node:path";
import { rolldown } from "rolldown";
import { expect, test } from "vitest";

const core = path.join(import.meta.dirname, "../packages/core/src");

/** Bundles a program that imports these names from a module of the core. Returns the files of which code remains. */
async function bundled(names: string, module = "index.ts"): Promise<readonly string[]> {
  const bundler = await rolldown({
    input: "program",
    platform: "neutral",
    tsconfig: false,
    external: (id) => id.startsWith("node:"),
    plugins: [
      {
        name: "program",
        resolveId: (id) => (id === "program" ? id : null),
        load: (id) =>
          id === "program" ? `export { ${names} } from ${JSON.stringify(path.join(core, module))};` : null,
      },
    ],
  });
  const { output } = await bundler.generate({ format: "esm" });
  await bundler.close();
  return output.flatMap((file) =>
    file.type === "chunk"
      ? Object.entries(file.modules).flatMap(([id, { renderedLength }]) =>
          renderedLength > 0 ? [path.relative(core, id)] : [],
        )
      : [],
  );
}

test("A bundle has a part only where it has the function that provides it", async () => {
  const provided = [
    "engine/context/stored-calls.ts",
    "engine/delivery/joining.ts",
    "engine/results/outcome-delivery.ts",
  ];
  const partsOf = async (names: string, module?: string) => {
    const files = await bundled(names, module);
    return provided.filter((file) => files.includes(file));
  };
  expect(await partsOf("create, node")).toEqual([]);
  expect(await partsOf("create, node, joinK")).toEqual([provided[1]]);
  expect(await partsOf("durable", "durable/index.ts")).toEqual([provided[0], provided[2]]);
});
