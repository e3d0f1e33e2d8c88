/** Prefix of the members' cards. */
export const membersPrefix = (app: string): string => `${app}/members/`;

/** Prefix of the records of flows and versions that ever ran. */
export const deploymentsPrefix = (app: string): string => `${app}/deployments/`;

/** Prefix of all that is about the assignment of partitions to many members. */
export const assignersPrefix = (app: string): string => `${app}/assign`;

/** Key of the member that assigns. */
export const assignerKey = (app: string): string => `${app}/assigner`;

/** Prefix of the assignments that it has written, by flow and version. */
export const assignmentsPrefix = (app: string): string => `${app}/assignments/`;

/** Prefix of the releases of flows. */
export const releasesPrefix = (app: string): string => `${app}/flows/`;

/** Key of the release of a flow. */
export const releaseKey = (app: string, flow: string): string => releasesPrefix(app) + flow;

/** Key under which a member is asked to drain. */
export const drainKey = (app: string, member: string): string => `${app}/drain/${member}`;

/** Description of a member for the others. */
export interface MemberCard {
  /** Random name of the worker: one with the same name after a restart has another. */
  readonly instance: string;
  /** Flows that it runs, with their versions: `orders@1`. None while it drains. */
  readonly runs: readonly string[];
  readonly isDraining: boolean;
  /** Elements of `runs` whose held partitions bind given ids to their version. */
  readonly binds: readonly string[];
  /** Figures of each flow and version. */
  readonly figures: Readonly<Record<string, MemberFigures>>;
}

/** Figures of a flow on a member since the card before. */
export interface MemberFigures {
  readonly inFlight: number;
  /** Traces ended for each second. */
  readonly endedPerSecond: number;
  /** Share of the time in which the event loop was busy, shared out by ended traces. */
  readonly busy: number;
  /** Indices of the partitions that it holds. */
  readonly held: readonly number[];
}

/** Record of a flow and version that ran on the cluster. It stays when no member runs it any more. */
export interface DeploymentRecord {
  readonly partitions: number;
  readonly lanes: number;
  /** Whether it had no trace in flight when its members last looked. */
  readonly isIdle: boolean;
}

/** Request for the end of one worker. */
export interface DrainRequest {
  /** The {@link MemberCard.instance} that is meant. */
  readonly instance: string;
}
