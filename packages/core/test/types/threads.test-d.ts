/** Accepted and refused nodes in threads. `tsc -b` checks this file; it is never run. */
import { create, payloadNode, type Schema, shape } from "penguiflow";
import { type ThreadContext, threadModule, threadNode } from "penguiflow/threads";
import { z } from "zod";
import { same } from "./same.ts";

interface Exports {
  hash(file: { readonly path: string }, thread: ThreadContext): Promise<{ readonly digest: string }>;
  count(text: string): number;
  maybe(text: string): number | undefined;
  always(): true;
  three(text: string, thread: ThreadContext, more: number): number;
  readonly version: number;
}
const module = threadModule<Exports>(new URL("file:///a.js"));
const digest = payloadNode("digest", (value: { readonly digest: string }) => value.digest);

// payloads are those of the function
const hash = threadNode({ name: "hash", module, run: "hash" });
const flow = create(hash.to(digest));
void flow.call({ path: "a" });
same<Awaited<ReturnType<typeof flow.call>>, string>();
// @ts-expect-error it takes { path }
void flow.call("a");
// @ts-expect-error digest does not take a number
threadNode({ name: "count", module, run: "count" }).to(digest);
const maybe = create(threadNode({ name: "maybe", module, run: "maybe" }).to());
same<Awaited<ReturnType<typeof maybe.call>>, number>();
const always = create(threadNode({ name: "always", module, run: "always" }).to());
same<Awaited<ReturnType<typeof always.call>>, true>();

// the function must be there and take (payload, thread)
// @ts-expect-error there is no function of that name
threadNode({ name: "none", module, run: "none" });
// @ts-expect-error it is no function
threadNode({ name: "version", module, run: "version" });
// @ts-expect-error the pool passes no third parameter
threadNode({ name: "three", module, run: "three" });
// @ts-expect-error a module without its type has no functions
threadNode({ name: "untyped", module: threadModule(new URL("file:///a.js")), run: "hash" });

// schemas must fit the function
const parsed = threadNode({
  name: "count",
  module,
  run: "count",
  input: z.number().transform(String),
  output: z.number().transform((size) => ({ size })),
});
const counted = create(parsed.to());
void counted.call(5);
// @ts-expect-error the schema takes a number
void counted.call("5");
same<Awaited<ReturnType<typeof counted.call>>, { size: number }>();
// @ts-expect-error count takes a string
threadNode({ name: "count", module, run: "count", input: z.number() });
// @ts-expect-error count returns a number
threadNode({ name: "count", module, run: "count", output: z.string() });
threadNode({ name: "count", module, run: "count", output: shape<number | string>() satisfies Schema<number | string> });
