import type * as grpc from "@grpc/grpc-js";
import type * as legacy from "@a2a-js/sdk/compat/v0_3/server/grpc";
import type * as errors from "@a2a-js/sdk/errors/grpc";
import type * as sdk from "@a2a-js/sdk/server/grpc";

/** Packages that gRPC needs. */
export interface GrpcPackages {
  readonly grpc: typeof grpc;
  readonly sdk: typeof sdk;
  readonly legacy: typeof legacy;
  readonly errors: typeof errors;
}

/**
 * Loads the packages that gRPC needs, which are optional otherwise.
 *
 * @throws TypeError when one is missing
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
    throw new TypeError(`Cannot load gRPC: it needs "@grpc/grpc-js" and "@bufbuild/protobuf"; run "${install}"`, {
      cause,
    });
  }
}
