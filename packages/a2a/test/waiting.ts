import { create, payloadNode } from "penguiflow";

/** Builds a flow whose handler waits until it is released or aborted. */
export function waiting() {
  const begun = Promise.withResolvers<string>();
  const stopped = Promise.withResolvers<void>();
  const going = Promise.withResolvers<void>();
  const flow = create(
    payloadNode("wait", async (text: string, ctx) => {
      begun.resolve(ctx.traceId);
      await Promise.race([
        going.promise,
        new Promise<void>((resolve) => ctx.signal.addEventListener("abort", () => resolve(), { once: true })),
      ]);
      if (ctx.signal.aborted) stopped.resolve();
      ctx.signal.throwIfAborted();
      return text;
    }).to(),
  );
  return { flow, begun: begun.promise, stopped: stopped.promise, goOn: () => going.resolve() };
}

/** Builds a flow whose handler writes one text per step. */
export function stepped(texts: readonly string[]) {
  const steps = texts.map(() => Promise.withResolvers<void>());
  let taken = 0;
  const flow = create(
    payloadNode("say", async (_: string, ctx) => {
      for (const [index, text] of texts.entries()) {
        await steps[index]?.promise;
        await ctx.emitChunk({ text });
      }
      return texts.length;
    }).to(),
  );
  const next = (): void => {
    steps[taken]?.resolve();
    taken += 1;
  };
  return { flow, next };
}

/** Polls `find` and resolves with its first result. */
export async function until<Found>(find: () => Promise<Found>): Promise<Found> {
  for (let times = 0; times < 500; times += 1) {
    const found = await find();
    if (found !== undefined && found !== false) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("What was waited for has not come");
}
