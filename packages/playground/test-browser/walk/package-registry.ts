import { createServer, type Server, type ServerResponse } from "node:http";
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Manifest, read, root, run } from "../../../../scripts/workspace.ts";

interface Installed extends Manifest {
  readonly version: string;
}

/** A copy of a package in the workspace. */
interface Copy {
  readonly place: string;
  readonly manifest: Installed;
}

const locked = Object.keys((JSON.parse(read("package-lock.json")) as { packages: object }).packages);

/** Lists the copies of a package that are installed, that of the root first. */
function copiesOf(name: string): Copy[] {
  return locked
    .filter((place) => place === `node_modules/${name}` || place.endsWith(`/node_modules/${name}`))
    .filter((place) => existsSync(path.join(root, place, "package.json")))
    .sort((one, other) => one.length - other.length)
    .map((place) => ({
      place: path.join(root, place),
      manifest: JSON.parse(read(`${place}/package.json`)) as Installed,
    }));
}

/** A registry of npm on this machine: it packs the packages of the workspace, and those that they need, when asked. */
export class PackageRegistry implements AsyncDisposable {
  readonly #server: Server;
  readonly #folder = mkdtempSync(path.join(tmpdir(), "penguiflow-registry-"));
  /** Names of the packages that were asked for and are not there: those of other platforms. */
  readonly missing = new Set<string>();

  private constructor() {
    this.#server = createServer((request, response) => {
      const asked = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname.slice(1));
      void this.#answer(asked, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
    });
  }

  static async start(): Promise<PackageRegistry> {
    const registry = new PackageRegistry();
    const { promise, resolve } = Promise.withResolvers<void>();
    registry.#server.listen(0, "127.0.0.1", resolve);
    await promise;
    return registry;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  async #answer(asked: string, response: ServerResponse): Promise<void> {
    const [, name = asked, version] = /^(.+)-(\d.*)\.tgz$/.exec(asked) ?? [];
    const copies = copiesOf(name);
    const copy = copies.find((one) => one.manifest.version === version);
    if (copies.length === 0) {
      this.missing.add(name);
      response.writeHead(404, { "content-type": "application/json" }).end('{"error":"not found"}');
    } else if (copy === undefined) {
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(this.#known(name, copies)));
    } else {
      response.writeHead(200, { "content-type": "application/octet-stream" }).end(await this.#pack(copy.place));
    }
  }

  /** Describes the versions of a package, as registries do. */
  #known(name: string, copies: readonly Copy[]): object {
    const versions = copies.map(({ manifest }) => {
      const tarball = `${this.url}${encodeURIComponent(`${name}-${manifest.version}`)}.tgz`;
      return [manifest.version, { ...manifest, dist: { tarball } }] as const;
    });
    return { name, "dist-tags": { latest: copies[0]?.manifest.version }, versions: Object.fromEntries(versions) };
  }

  /** Packs a package as it would be published. */
  async #pack(place: string): Promise<Buffer> {
    const source = realpathSync(place);
    const isOurs = !source.split(path.sep).includes("node_modules");
    const quiet = ["--json", "--loglevel=error", ...(isOurs ? [] : ["--ignore-scripts"])];
    const { status, output } = await run("npm", ["pack", source, "--pack-destination", this.#folder, ...quiet]);
    const file = /"filename": "([^"]+)"/.exec(output)?.[1];
    if (status !== 0 || file === undefined) throw new Error(`Cannot pack ${source}:\n${output}`);
    return readFileSync(path.join(this.#folder, path.basename(file)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    await promise;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
