import { describe, expect, test } from "vitest";
import { create, FlowErrorCode, payloadNode } from "penguiflow";
import { rejection } from "../fixtures/watched-flow.ts";
import { running } from "../fixtures/quiet-flow.ts";

const even = payloadNode("even", (n: number) => `${n} is even`);
const odd = payloadNode("odd", (n: number) => `${n} is odd`);
const byParity = (n: number): string => (n % 2 === 0 ? "even" : "odd");

/** Creates a flow whose first node sends what it returns where `route` says. */
const routing = (route: (n: number) => string, handle: (n: number) => number = (n) => n) =>
  running(
    create(
      payloadNode({ name: "first", route, policy: { onFailed: () => -1 } }, async (n: number) => handle(n)).to(
        even,
        odd,
      ),
    ),
  );

describe("the route of a node", () => {
  test("sends a returned payload to the one successor that it chooses", async () => {
    const flow = routing(byParity);
    expect(await Promise.all([1, 2, 3].map((n) => flow.call(n)))).toEqual(["1 is odd", "2 is even", "3 is odd"]);
    await flow.stop();
  });

  test("sends the value of onFailed, too", async () => {
    const flow = routing(byParity, () => {
      throw new Error("no");
    });
    expect(await flow.call(2)).toBe("-1 is odd");
    await flow.stop();
  });

  test("leaves alone what the handler emits", async () => {
    const first = payloadNode({ name: "first", route: () => "even" }, async (n: number, ctx) => {
      await ctx.emit(n, { to: "odd" });
    });
    const flow = running(create(first.to(even, odd)));
    expect(await flow.call(4)).toBe("4 is odd");
    await flow.stop();
  });

  test.each<[what: string, route: () => string, code: string, message: RegExp]>([
    ["a name that is no successor", () => "odd?", FlowErrorCode.ROUTE_UNKNOWN, /"odd\?": node "first" has no edge/],
    ["no name", () => undefined as unknown as string, FlowErrorCode.NODE_EXCEPTION, /"to"/],
    [
      "an error",
      (): string => {
        throw new Error("no way");
      },
      FlowErrorCode.NODE_EXCEPTION,
      /no way/,
    ],
  ])("that gives %s fails the attempt", async (_, route, code, message) => {
    const flow = running(create(payloadNode({ name: "first", route }, async (n: number) => n).to(even, odd)));
    expect(await rejection(flow.call(1))).toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    });
    await flow.stop();
  });

  test("must be a function", () => {
    expect(() => payloadNode({ name: "first", route: "even" as never }, (n: number) => n)).toThrow(
      'Option "route" of node "first" must be a function: got "even"',
    );
  });
});
