// Writes the public API of every entry point to {apps,packages}/*/api, so that each change to it is reviewed. Every public
// symbol that can be named, called or constructed needs a sentence of documentation; a property may rely on its name
// and type. `npm run api` updates the reports.
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { Extractor, ExtractorConfig, ExtractorLogLevel, type ExtractorMessage } from "@microsoft/api-extractor";
import { conclude, publishedPackages, root, scratchFolder } from "./workspace.ts";

const update = process.argv.includes("--update");
const temporary = scratchFolder("api");
const problems: string[] = [];
let reports = 0;

function isProperty({ sourceFilePath, sourceFileLine = 0 }: ExtractorMessage): boolean {
  const line = sourceFilePath === undefined ? "" : readFileSync(sourceFilePath, "utf8").split("\n")[sourceFileLine - 1];
  return /^\s+(?:(?:readonly|override|declare|static) )*(?:\w+|"[^"]+")\??:/.test(line ?? "");
}

function exportsOf(report: string): ReadonlySet<string> {
  const declared = /^export (?:(?:declare|abstract) )*(?:class|const|enum|function|interface|type) (\w+)/gm;
  return new Set(
    Array.from(readFileSync(path.join(temporary, report), "utf8").matchAll(declared), ([, name = ""]) => name),
  );
}

for (const { folder, name, manifest } of publishedPackages()) {
  // Types that an entry point mentions may be imported from one before it.
  const exported = new Set<string>();
  const project = path.join(root, folder);
  mkdirSync(path.join(project, "api"), { recursive: true });
  for (const [subpath, target] of Object.entries(manifest.exports ?? {})) {
    if (typeof target === "string") continue;
    if (!existsSync(path.join(project, target.types))) {
      problems.push(`${folder}/package.json: entry point "${subpath}" has no "${target.types}"`);
      continue;
    }
    const report = `${path.posix.join(name, subpath).replace("@", "").replaceAll("/", "-")}.api.md`;
    const config = ExtractorConfig.prepare({
      packageJsonFullPath: path.join(project, "package.json"),
      configObjectFullPath: undefined,
      configObject: {
        projectFolder: project,
        mainEntryPointFilePath: path.join(project, target.types),
        compiler: {
          // API Extractor bundles its own TypeScript; the files it reads are already compiled.
          overrideTsconfig: {
            compilerOptions: { target: "ES2023", module: "NodeNext", types: ["node"], skipLibCheck: true },
            files: [path.join(project, target.types)],
          },
        },
        apiReport: {
          enabled: true,
          reportFileName: report,
          reportFolder: path.join(project, "api"),
          reportTempFolder: temporary,
        },
        docModel: { enabled: false },
        dtsRollup: { enabled: false },
        newlineKind: "lf",
        messages: {
          compilerMessageReporting: { default: { logLevel: ExtractorLogLevel.Error } },
          extractorMessageReporting: {
            default: { logLevel: ExtractorLogLevel.Error },
            "ae-missing-release-tag": { logLevel: ExtractorLogLevel.None },
          },
          tsdocMessageReporting: { default: { logLevel: ExtractorLogLevel.Error } },
        },
      },
    });
    reports += 1;
    const result = Extractor.invoke(config, {
      localBuild: update,
      messageCallback: (message) => {
        message.handled = true;
        if (message.logLevel !== ExtractorLogLevel.Error) return;
        if (message.messageId === "ae-undocumented" && isProperty(message)) return;
        const forgotten = message.messageId === "ae-forgotten-export" && /"(\w+)"/.exec(message.text)?.[1];
        if (forgotten && exported.has(forgotten)) return;
        const place = message.sourceFilePath
          ? `${path.relative(root, message.sourceFilePath)}:${message.sourceFileLine ?? 1} `
          : "";
        problems.push(`${place}${message.text} (${message.messageId})`);
      },
    });
    for (const known of exportsOf(report)) exported.add(known);
    if (result.apiReportChanged && !update) {
      problems.push(
        `Report "${folder}/api/${report}" is out of date: run "npm run api", review the difference, commit it`,
      );
    }
  }
}

conclude(problems, `${reports} reports ${update ? "written" : "up to date"}`);
