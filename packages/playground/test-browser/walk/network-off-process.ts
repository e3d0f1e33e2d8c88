// Preloaded into each process of the walk: connections lead to this machine alone. Each refusal is noted in the file that
// NETWORK_OFF names.
import { appendFileSync } from "node:fs";
import { Socket } from "node:net";

const LOCAL: ReadonlySet<unknown> = new Set([undefined, "127.0.0.1", "localhost", "::1"]);
const connect = Reflect.get(Socket.prototype, "connect") as (this: Socket, ...args: unknown[]) => Socket;

Object.assign(Socket.prototype, {
  connect(this: Socket, ...args: unknown[]): Socket {
    // options and a listener; from within Node, one array of both
    const [options] = Array.isArray(args[0]) ? (args[0] as unknown[]) : args;
    const host = (options as { readonly host?: string } | undefined)?.host;
    if (LOCAL.has(host)) return connect.apply(this, args);
    appendFileSync(process.env["NETWORK_OFF"] ?? "/dev/stderr", `${process.argv.slice(1).join(" ")}: ${host}\n`);
    const error = Object.assign(new Error(`Cannot reach ${host}: the network is off`), { code: "ENETUNREACH" });
    process.nextTick(() => this.destroy(error));
    return this;
  },
});
