/**
 * What gRPC needs, which is loaded when it is wanted.
 *
 * @throws TypeError when it is not installed
 */
export async function grpcPackages() {
  try {
    const [grpc, sdk, legacy, errors] = await Promise.all([
      import("@grpc/grpc-js"),
      import("@a2a-js/sdk/server/grpc"),
      import("@a2a-js/sdk/compat/v0_3/server/grpc"),
      import("@a2a-js/sdk/errors/grpc"),
    ]);
    return { grpc, sdk, legacy, errors };
  } catch (cause) {
    throw new TypeError(
      'gRPC needs the packages "@grpc/grpc-js" and "@bufbuild/protobuf": npm install @grpc/grpc-js @bufbuild/protobuf',
      { cause },
    );
  }
}
