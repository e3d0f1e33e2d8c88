import type * as grpc from "@grpc/grpc-js";
import type * as legacy from "@a2a-js/sdk/compat/v0_3/server/grpc";
import type * as errors from "@a2a-js/sdk/errors/grpc";
import type * as sdk from "@a2a-js/sdk/server/grpc";

/** What gRPC needs. */
export interface GrpcPackages {
  readonly grpc: typeof grpc;
  readonly sdk: typeof sdk;
  readonly legacy: typeof legacy;
  readonly errors: typeof errors;
}

/**
 * Loads what gRPC needs, which nobody else has to install.
 *
 * @throws TypeError when it is not there
 */
export async function grpcPackages(): Promise<GrpcPackages> {
  try {
    const [channel, service, legacyService, failures] = await Promise.all([
      import("@grpc/grpc-js"),
      import("@a2a-js/sdk/server/grpc"),
      import("@a2a-js/sdk/compat/v0_3/server/grpc"),
      import("@a2a-js/sdk/errors/grpc"),
    ]);
    return { grpc: channel, sdk: service, legacy: legacyService, errors: failures };
  } catch (cause) {
    const install = "npm install @grpc/grpc-js @bufbuild/protobuf";
    throw new TypeError(`gRPC needs the packages "@grpc/grpc-js" and "@bufbuild/protobuf": ${install}`, { cause });
  }
}
