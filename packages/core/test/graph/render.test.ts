import { Graphviz } from "@hpcc-js/wasm-graphviz";
import DOMPurify from "dompurify";
import * as fc from "fast-check";
import mermaid from "mermaid";
import { beforeAll, describe, expect, test } from "vitest";
import type { EdgePair } from "../../src/graph/edges.ts";
import { buildGraph } from "../../src/graph/graph.ts";
import { graphToJson, type HasGraph } from "../../src/graph/graph-json.ts";
import { FlowNode, node, type NodeInit, payloadNode } from "../../src/graph/node.ts";
import { flowToDot } from "../../src/graph/render-dot.ts";
import { flowToMermaid } from "../../src/graph/render-mermaid.ts";

/** The picture that a parser of the drawing language found in the text. */
interface Picture {
  readonly shapes: readonly { label: string; role: string; outline: string; frame: string | undefined }[];
  readonly frames: readonly { label: string; frame: string | undefined }[];
  /** Edges as `from → to`, by label, and the label of the edge. */
  readonly edges: readonly string[];
}

const same = (value: number): number => value;
const special = (init: Partial<NodeInit> & { name: string }) =>
  new FlowNode<string, number, number>({ style: "payload", handler: same, ...init });
const flowOf = (...edges: { readonly pairs: readonly EdgePair[] }[]): HasGraph => ({
  graph: buildGraph(
    edges.flatMap(({ pairs }) => pairs),
    true,
  ),
});
const [a, b, c, d] = [payloadNode("a", same), payloadNode("b", same), payloadNode("c", same), payloadNode("d", same)];
const controller = node({ name: "controller", allowCycle: true }, (message: { payload: number }) => message.payload);

const readers = { mermaid: { draw: flowToMermaid, read: readMermaid }, graphviz: { draw: flowToDot, read: readDot } };

let graphviz: Graphviz;
beforeAll(async () => {
  graphviz = await Graphviz.load();
  // Mermaid passes labels through DOMPurify, which works in browsers only. Without one, the text must not contain
  // anything that it would remove: every tag but the two that the drawing writes itself.
  Object.assign(DOMPurify, {
    addHook: () => undefined,
    sanitize(text: string) {
      if (/[<>&]/.test(text.replaceAll("<br/>", "").replaceAll("<wbr/>", ""))) throw new Error(`Unescaped: ${text}`);
      return text;
    },
  });
}, 60_000);

describe.each(Object.entries(readers))("a drawing, read by %s", (_, { draw, read }) => {
  const picture = (flow: HasGraph): Promise<Picture> => read(draw(flow));
  const edges = async (flow: HasGraph) => (await picture(flow)).edges;

  test("shows a chain between OpenSea and Rookery", async () => {
    const { shapes, edges: lines } = await picture(flowOf(a.to(b).to(c)));
    expect(shapes.map(({ label, role }) => [label, role])).toEqual([
      ["OpenSea", "endpoint"],
      ["a", "node"],
      ["b", "node"],
      ["c", "node"],
      ["Rookery", "endpoint"],
    ]);
    expect(lines).toEqual(["OpenSea → a", "a → b", "b → c", "c → Rookery"]);
  });

  test("shows fan-out and join in declared order", async () => {
    const join = special({
      name: "join",
      kind: "join",
      gathering: { count: 2, timeoutMs: undefined, whenShort: "fail", late: "drop" },
    });
    const flow = flowOf(a.to(c, b), b.to(join), c.to(join));
    const { shapes, edges: lines } = await picture(flow);
    expect(shapes).toContainEqual(expect.objectContaining({ label: "join\njoins 2", role: "join" }));
    expect(lines).toEqual([
      "OpenSea → a",
      "a → c",
      "a → b",
      "c → join\njoins 2",
      "b → join\njoins 2",
      "join\njoins 2 → Rookery",
    ]);
  });

  test("marks a controller and its loop", async () => {
    const { shapes, edges: lines } = await picture(flowOf(controller.to(controller, a as never)));
    expect(shapes).toContainEqual(expect.objectContaining({ label: "controller", role: "controller" }));
    expect(shapes).toContainEqual(expect.objectContaining({ label: "a", role: "node" }));
    expect(lines).toEqual(["OpenSea → controller", "controller → controller loop", "controller → a", "a → Rookery"]);
  });

  test("marks the edges of a cycle, and no edge beside it", async () => {
    expect(await edges(flowOf(a.to(b), b.to(c, d), c.to(b)))).toEqual([
      "OpenSea → a",
      "a → b",
      "b → c cycle",
      "b → d",
      "c → b cycle",
      "d → Rookery",
    ]);
  });

  test("draws subflows inside their frames, however deep", async () => {
    const deep = special({ name: "deep", kind: "subflow", inner: flowOf(c.to()).graph });
    const outer = special({
      name: "outer",
      kind: "subflow",
      inner: flowOf(b.to(deep)).graph,
      policy: { maxRetries: 1 },
    });
    const drawn = await picture(flowOf(a.to(outer).to(d)));
    expect(drawn.frames).toEqual([
      { label: "outer\nretries 1", frame: undefined },
      { label: "deep", frame: "outer\nretries 1" },
    ]);
    expect(drawn.shapes.map(({ label, frame }) => `${frame?.split("\n")[0] ?? ""}/${label}`).sort()).toEqual(
      [
        "/OpenSea",
        "/a",
        "outer/OpenSea",
        "outer/b",
        "deep/OpenSea",
        "deep/c",
        "deep/Rookery",
        "outer/Rookery",
        "/d",
        "/Rookery",
      ].sort(),
    );
    expect([...drawn.edges].sort()).toEqual(
      [
        ["OpenSea → a", "a → OpenSea", "Rookery → d", "d → Rookery"],
        ["OpenSea → b", "b → OpenSea", "Rookery → Rookery"],
        ["OpenSea → c", "c → Rookery"],
      ]
        .flat()
        .sort(),
    );
  });

  test("writes the policies that are not the default, and the note", async () => {
    const policy = { maxRetries: 2, timeoutMs: 1_500, concurrency: Number.POSITIVE_INFINITY, jitter: 0 };
    const busy = payloadNode({ name: "busy", policy }, same);
    const plain = payloadNode({ name: "plain", policy: { concurrency: 64 } }, same);
    const router = special({ name: "router", kind: "router", note: "by tenant" });
    const group = special({
      name: "group",
      kind: "join",
      gathering: { count: same as never, timeoutMs: 10, whenShort: "emit", late: "drop" },
    });
    const { shapes } = await picture(flowOf(busy.to(plain), plain.to(router), router.to(group)));
    expect(shapes.map(({ label }) => label)).toEqual([
      "OpenSea",
      "busy\nretries 2\ntimeout 1500 ms\nconcurrency unbounded",
      "plain",
      "router\nby tenant",
      "group\njoins a group",
      "Rookery",
    ]);
  });

  test("gives every kind of node its own outline and class", async () => {
    const kinds = ["node", "router", "join", "subflow", "remote"] as const;
    const { shapes } = await picture(flowOf(...kinds.map((kind) => special({ name: kind, kind }).to())));
    expect(shapes.map(({ label, role }) => [label, role])).toEqual([
      ["OpenSea", "endpoint"],
      ...kinds.map((kind) => [kind, kind]),
      ["Rookery", "endpoint"],
    ]);
    const outlines = shapes.map(({ outline }) => outline);
    expect(outlines[0]).toBe(outlines.at(-1));
    expect(new Set(outlines).size).toBe(kinds.length + 1);
    expect(outlines[2]).toBe("diamond");
  });

  test("is the same text each time", () => {
    const make = () => flowOf(payloadNode("x", same).to(payloadNode("y", same)), payloadNode("z", same).to());
    expect(draw(make())).toBe(draw(make()));
  });

  const awkward = fc.constantFrom(
    ..."end graph subgraph style classDef click direction LR TB node cluster strict a n0 OpenSea".split(" "),
    ..."%% %%{init: --- --> # #quot; #35; #abc; & &amp; ; : ::: , \\ \\n \\N \\G \" ' ` [ ] ( ) { } | @{".split(" "),
    ..."<b> </p> <br/> <script> fa:fa-car $$ ﬂ° ﬂ°° ¶ß 1. - **b** 🐧 👩‍👩‍👧 ü 漢".split(" "),
    ...[
      " ",
      "  ",
      "\n",
      "\r\n",
      "\t",
      "\0",
      "\u007f",
      "\u00a0",
      "\u2028",
      "\ufeff",
      "\u200b",
      "\ud800",
      "\udfff",
      "\uffff",
    ],
  );
  const anyName = fc
    .oneof(
      fc.array(awkward, { minLength: 1, maxLength: 8 }).map((parts) => parts.join("")),
      fc.string({ unit: "binary", minLength: 1 }),
    )
    .filter((name) => name.trim() !== "" && name !== "OpenSea" && name !== "Rookery");
  const anyNames = fc.uniqueArray(anyName, { minLength: 2, maxLength: 6 });

  test("keeps any name, note and frame title", async () => {
    await fc.assert(
      fc.asyncProperty(anyNames, anyName, async (names, note) => {
        const [first = "", second = "", ...rest] = names;
        const flow = flowOf(
          special({ name: first, kind: "subflow", inner: flowOf(special({ name: second }).to()).graph }).to(
            special({ name: second, kind: "router", note }),
          ),
          ...rest.map((name) => special({ name }).to()),
        );
        const { shapes, frames } = await picture(flow);
        const labels = shapes.map(({ label }) => label).filter((label) => label !== "OpenSea" && label !== "Rookery");
        expect([...frames.map(({ label }) => label), ...labels].map(spaced)).toEqual(
          [first, second, `${second}\n${note}`, ...rest].map(shown).map(spaced),
        );
      }),
      { numRuns: 300 },
    );
  }, 120_000);

  test.each([
    "end",
    "go direction LR",
    "style:#fff;",
    "classDef a fill:#fff;",
    "subgraph x",
    "#quot;",
    "&lt;b&gt;",
    "<img src=x onerror=alert(1)>",
    "%%{init: {'theme': 'dark'}}%%",
    "%% comment",
    '["]',
    '"); DROP',
    "`code`",
    "C:\\new\\N\\",
    "first\n\nthird",
    " between spaces ",
    "icon fa:fa-car, price $$1$$",
    "👩‍👩‍👧 漢字 ü",
    "x".repeat(1_000),
    "🐧".repeat(500),
    'a "b" '.repeat(166) + "end",
  ])("keeps the name %j", async (name) => {
    expect(spaced((await picture(flowOf(special({ name }).to()))).shapes[1]?.label ?? "none")).toBe(spaced(name));
  });

  test("keeps names apart that look the same", async () => {
    const names = ["a-b", "a_b", "a b", "A b", "a\tb", "a␉b", "n0", "N0"];
    const { shapes, edges: lines } = await picture(flowOf(...names.map((name) => special({ name }).to())));
    expect(shapes.slice(1, -1).map(({ label }) => label)).toEqual(names.map(shown));
    expect(lines).toHaveLength(2 * names.length);
  });

  test("shows control characters and halves of characters as pictures", async () => {
    const name = "a\0b\tc\u007fd\u0085e\ud83df\uffffg";
    expect((await picture(flowOf(special({ name }).to()))).shapes[1]?.label).toBe("a␀b␉c␡d�e�f�g");
  });
});

describe("the direction of a drawing", () => {
  test("is downwards unless told otherwise", () => {
    expect(flowToMermaid(flowOf(a.to(b)))).toMatch(/^flowchart TD\n/);
    expect(flowToMermaid(flowOf(a.to(b)), { direction: "LR" })).toMatch(/^flowchart LR\n/);
    expect(flowToDot(flowOf(a.to(b)))).toContain('rankdir="TB"');
    expect(flowToDot(flowOf(a.to(b)), { rankdir: "RL" })).toContain('rankdir="RL"');
  });

  test("must be one that exists", () => {
    expect(() => flowToMermaid(flowOf(a.to(b)), { direction: "UP" as "TD" })).toThrow(
      new TypeError('Option "direction" must be one of "TD", "TB", "LR", "RL", "BT": got "UP"'),
    );
    expect(() => flowToDot(flowOf(a.to(b)), { rankdir: "TD" as "TB" })).toThrow(
      new TypeError('Option "rankdir" must be one of "TB", "LR", "RL", "BT": got "TD"'),
    );
    expect(() => flowToDot(flowOf(a.to(b)), { direction: "TB" } as object)).toThrow('Unknown option "direction"');
  });
});

describe("graphToJson", () => {
  test("and drawings say what a handler does to the world outside, where it does something", () => {
    const flow = flowOf(special({ name: "r", effects: "reads" }).to(special({ name: "n", effects: "none" }), a));
    expect(graphToJson(flow).nodes.map(({ effects }) => effects)).toEqual(["reads", "none", undefined]);
    expect(flowToMermaid(flow)).toContain('["r<br/>reads"]');
    expect(flowToMermaid(flow)).toContain('["n"]');
  });

  test("describes nodes, edges and rings", () => {
    const worker = payloadNode(
      { name: "worker", policy: { timeoutMs: 10, retryIf: () => true, concurrency: Infinity } },
      same,
    );
    const gathering = { count: same as never, timeoutMs: 50, whenShort: "emit", late: "group" } as const;
    const join = special({ name: "join", kind: "join", gathering, note: "by id" });
    expect(graphToJson(flowOf(a.to(worker), worker.to(worker, b), b.to(worker, join)))).toEqual({
      nodes: [
        { name: "a", kind: "node", isIngress: true, isEgress: false, isController: false, policy: {} },
        {
          name: "worker",
          kind: "node",
          isIngress: false,
          isEgress: false,
          isController: true,
          policy: { timeoutMs: 10, retryIf: "custom", concurrency: "unbounded" },
        },
        { name: "b", kind: "node", isIngress: false, isEgress: false, isController: false, policy: {} },
        {
          name: "join",
          kind: "join",
          isIngress: false,
          isEgress: true,
          isController: false,
          policy: {},
          gathering: { count: "dynamic", timeoutMs: 50, whenShort: "emit", late: "group" },
          note: "by id",
        },
      ],
      edges: [
        { from: "OpenSea", to: "a", kind: "forward" },
        { from: "a", to: "worker", kind: "forward" },
        { from: "worker", to: "worker", kind: "loop" },
        { from: "worker", to: "b", kind: "cycle" },
        { from: "b", to: "worker", kind: "cycle" },
        { from: "b", to: "join", kind: "forward" },
        { from: "join", to: "Rookery", kind: "forward" },
      ],
      rings: [["worker", "b"]],
    });
  });

  test("describes the inside of a subflow", () => {
    const inner = flowOf(a.to(b));
    const { nodes } = graphToJson(flowOf(special({ name: "s", kind: "subflow", inner: inner.graph }).to()));
    expect(nodes[0]?.inner).toEqual(graphToJson(inner));
  });

  test("survives JSON, whatever the names", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", minLength: 1 }), (name) => {
        fc.pre(name.trim() !== "" && name !== "OpenSea" && name !== "Rookery");
        const json = graphToJson(flowOf(special({ name, policy: { concurrency: Infinity } }).to()));
        expect(JSON.parse(JSON.stringify(json))).toEqual(json);
        expect(json.nodes[0]?.name).toBe(name);
      }),
    );
  });
});

/** Returns the form in which a picture can show a name. */
function shown(name: string): string {
  return Array.from(name.replace(/\p{Surrogate}/gu, "\ufffd"), (character) => {
    if (character === "\n" || !/[\p{Cc}\p{Noncharacter_Code_Point}]/u.test(character)) return character;
    return character < " "
      ? String.fromCodePoint(0x2400 + character.charCodeAt(0))
      : character === "\x7f"
        ? "␡"
        : "\ufffd";
  }).join("");
}

/** Replaces an empty line, which may be drawn as a line with a space. */
function spaced(label: string): string {
  return label
    .split("\n")
    .map((line) => line || " ")
    .join("\n");
}

async function readMermaid(text: string): Promise<Picture> {
  await mermaid.parse(text);
  // oxlint-disable-next-line typescript/no-deprecated -- the only access to the parser's result
  const { db } = (await mermaid.mermaidAPI.getDiagramFromText(text)) as unknown as {
    db: {
      getVertices(): Map<string, { id: string; text: string; type: string; classes: string[] }>;
      getEdges(): { start: string; end: string; text: string; style?: readonly string[] }[];
      getSubGraphs(): { id: string; title: string; nodes: string[]; classes: string[] }[];
      getClasses(): Map<string, unknown>;
    };
  };
  const decode = (label: string) => {
    const decoded = label
      .replaceAll("<br/>", "\n")
      .replaceAll("<wbr/>", "\0")
      // Mermaid's own form of a code such as #35; between parser and browser
      .replace(/ﬂ°°(\d+)¶ß/g, (_, code) => String.fromCodePoint(Number(code)));
    // none of the forms that the browser part of Mermaid would turn into a line break, an icon, a formula or a
    // character
    expect(decoded).not.toMatch(/\\n|fa[bklrs]?:fa-|\$\$|ﬂ°|¶ß/);
    return decoded.replaceAll("\0", "");
  };
  const frames = db.getSubGraphs();
  const frameOf = (id: string) => {
    const frame = frames.find(({ nodes }) => nodes.includes(id));
    return frame && decode(frame.title);
  };
  const label = (id: string) => decode(db.getVertices().get(id)?.text ?? "none");
  for (const name of frames.flatMap(({ classes }) => classes)) expect(db.getClasses().has(name)).toBe(true);
  return {
    shapes: [...db.getVertices().values()].map((vertex) => {
      const [role = "none", ...others] = vertex.classes;
      expect(others).toEqual([]);
      expect(db.getClasses().has(role)).toBe(true);
      return { label: decode(vertex.text), role, outline: vertex.type, frame: frameOf(vertex.id) };
    }),
    // Mermaid lists a frame after those inside it
    frames: frames.map(({ id, title }) => ({ label: decode(title), frame: frameOf(id) })).toReversed(),
    edges: db.getEdges().map(({ start, end, text: mark, style = [] }) => {
      // only the marked edges have a colour of their own
      expect(style.some((property) => property.startsWith("stroke:"))).toBe(mark !== "");
      return `${label(start)} → ${label(end)} ${mark}`.trimEnd();
    }),
  };
}

interface GraphvizObject {
  readonly _gvid: number;
  readonly name: string;
  readonly class: string;
  /** Shape of a node; clusters have none. */
  readonly shape?: string;
  readonly peripheries?: string;
  readonly nodes?: readonly number[];
  readonly subgraphs?: readonly number[];
}

async function readDot(text: string): Promise<Picture> {
  const { objects, edges } = JSON.parse(graphviz.layout(text, "dot_json", "dot")) as {
    objects: GraphvizObject[];
    edges?: { tail: number; head: number; label?: string }[];
  };
  // the drawn picture: a text for each line
  const svg = graphviz.layout(text, "svg", "dot");
  const printed = new Map(
    Array.from(
      svg.matchAll(/<g id="\w+" class="(?:node|cluster) \w+">\n<title>(\w+)<\/title>([^]*?)<\/g>/g),
      ([, title, inside = ""]) => {
        const lines = Array.from(inside.matchAll(/<text [^>]*>([^<]*)<\/text>/g), ([, line = ""]) => unescapeXml(line));
        return [title, lines.join("\n")];
      },
    ),
  );
  const label = ({ name }: GraphvizObject) => printed.get(name) ?? "none";
  const frames = objects.filter(({ shape }) => shape === undefined);
  const shapes = objects.filter(({ shape }) => shape !== undefined);
  // Graphviz lists the members of inner frames with the outer ones too; the innermost comes last
  const frameOf = ({ _gvid: id }: GraphvizObject) => {
    const frame = frames.findLast(
      ({ nodes, subgraphs }) => nodes?.includes(id) === true || subgraphs?.includes(id) === true,
    );
    return frame && label(frame);
  };
  const at = (id: number) => label(objects.find(({ _gvid: own }) => own === id) as GraphvizObject);
  return {
    shapes: shapes.map((object) => ({
      label: label(object),
      role: object.class,
      outline: object.peripheries === "2" ? "double box" : (object.shape ?? "none"),
      frame: frameOf(object),
    })),
    frames: frames.map((frame) => ({ label: label(frame), frame: frameOf(frame) })),
    edges: (edges ?? []).map((edge) => `${at(edge.tail)} → ${at(edge.head)} ${edge.label ?? ""}`.trimEnd()),
  };
}

const XML_NAMES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"' };

function unescapeXml(text: string): string {
  // Graphviz keeps spaces apart with this code; a no-break space in the text remains
  return text
    .replaceAll("&#160;", " ")
    .replace(/&(?:#(\d+)|(\w+));/g, (_, code: string | undefined, name: string) =>
      code === undefined ? (XML_NAMES[name] ?? "none") : String.fromCodePoint(Number(code)),
    );
}
