import { allFlows } from "./flows/all-flows.ts";
import { Orchestrator } from "./flows/orchestrator.ts";
import { InFlight } from "./in-flight.ts";
import { MemoryError } from "./memory-error.ts";
import type { MemoryServices } from "./memory-services.ts";
import { type InputSchemas, inputSchemas } from "./schemas.ts";

/** Starts every flow, once, with the one telemetry. */
function orchestrate(services: MemoryServices) {
  const bundles = allFlows(services);
  const { telemetry, limits } = services;
  const ms = limits.requestMs;
  return {
    ingest: new Orchestrator(bundles.ingest, telemetry, ms),
    autoRetrieve: new Orchestrator(bundles.autoRetrieve, telemetry, ms),
    embedding: new Orchestrator(bundles.embedding, telemetry, ms),
    reinforce: new Orchestrator(bundles.reinforce, telemetry, ms),
    setPrivacy: new Orchestrator(bundles.setPrivacy, telemetry, ms),
    share: new Orchestrator(bundles.share, telemetry, ms),
    unshare: new Orchestrator(bundles.unshare, telemetry, ms),
    erase: new Orchestrator(bundles.erase, telemetry, ms),
    supersede: new Orchestrator(bundles.supersede, telemetry, ms),
    feedback: new Orchestrator(bundles.feedback, telemetry, ms),
    federatedQuery: new Orchestrator(bundles.federatedQuery, telemetry, ms),
  };
}

/** The running flows and what every request passes through. */
export class MemoryCore {
  readonly services: MemoryServices;
  readonly schemas: InputSchemas;
  readonly flows: ReturnType<typeof orchestrate>;
  readonly #inFlight: InFlight;
  #isStopping = false;

  constructor(services: MemoryServices) {
    this.services = services;
    this.schemas = inputSchemas(services.limits);
    this.flows = orchestrate(services);
    this.#inFlight = new InFlight(services.limits.tenantRequests, services.limits.requests);
  }

  /**
   * Runs a request within the limits of its tenant and of the service.
   *
   * @throws MemoryError: every other error becomes `INTERNAL`
   */
  async request<Value>(tenant: string, work: () => Promise<Value>): Promise<Value> {
    if (this.#isStopping) throw new MemoryError("STOPPED", "The service is shutting down");
    try {
      return await this.#inFlight.run(tenant, work);
    } catch (error) {
      if (error instanceof MemoryError) throw error;
      throw new MemoryError("INTERNAL", "The service failed", { cause: error });
    }
  }

  /** Refuses new requests, waits for those in flight, and stops the flows. */
  async stop(drainMs: number): Promise<void> {
    this.#isStopping = true;
    await Promise.all(Object.values(this.flows).map(async (flow) => await flow.stop(drainMs)));
    await this.#inFlight.idle();
  }
}
