import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api } from "../../api/routes.ts";
import { CopyButton } from "../../parts/copy-button.tsx";
import { Empty } from "../../parts/empty.tsx";
import { plural } from "../../parts/figures.ts";
import { Header } from "../../parts/header.tsx";
import { Problem } from "../../parts/problem.tsx";
import { useLoaded } from "../../parts/use-loaded.tsx";
import { pathTo } from "../../routing/route-pattern.ts";
import type { Finding } from "../../protocol.ts";
import { reload } from "../../store/project.ts";
import { filterLine } from "./filter-line.ts";

/** The findings of the linter, with reason and remedy. */
export function Screen() {
  const { value, error, isLoading, again } = useLoaded("lint", () => api.lint());
  useEffect(() => again(), [reload.value, again]);
  const flows = value ?? [];
  const all = flows.flatMap(({ findings }) => findings);
  const errors = all.filter(({ severity }) => severity === "error").length;
  return (
    <>
      <Header
        title="Lint"
        note={all.length === 0 ? undefined : `${plural(errors, "error")}, ${plural(all.length - errors, "warning")}`}
      />
      {error !== undefined && value === undefined ? (
        <div class="page">
          <Problem error={error} again={again} />
        </div>
      ) : all.length === 0 && !isLoading ? (
        <Empty
          icon="lint"
          title="No findings"
          text={`The linter has looked at ${plural(flows.length, "flow")}, and found nothing that cannot work or may fail under load.`}
          links={[
            ["/flows", "Flows"],
            ["/simulate", "Simulate faults"],
            ["/", "Chat"],
          ]}
        />
      ) : (
        <div class="page lint">
          {flows
            .filter(({ findings }) => findings.length > 0)
            .map(({ flow, findings }) => (
              <section key={flow} aria-label={`Findings of ${flow}`}>
                <h2>
                  <a href={pathTo("flows", flow)}>{flow}</a>
                </h2>
                <ul>
                  {[...findings].sort(bySeverity).map((finding) => (
                    <li key={`${finding.rule} ${finding.nodes.join()}`}>
                      <FindingCard flow={flow} finding={finding} />
                    </li>
                  ))}
                </ul>
              </section>
            ))}
        </div>
      )}
    </>
  );
}

function bySeverity(one: Finding, other: Finding): number {
  return one.severity.localeCompare(other.severity);
}

function FindingCard({ flow, finding }: { readonly flow: string; readonly finding: Finding }) {
  const isFilterShown = useSignal(false);
  return (
    <article class="card finding">
      <header>
        <span class={`badge ${finding.severity === "error" ? "tone-failed" : "tone-retry"}`}>{finding.severity}</span>
        <code>{finding.rule}</code>
        <span class="finding-nodes">
          {finding.nodes.map((node) => (
            <a key={node} class="tag" href={`${pathTo("flows", flow)}?node=${encodeURIComponent(node)}`}>
              {node}
            </a>
          ))}
        </span>
      </header>
      <p>{finding.reason}</p>
      <p class="finding-fix">
        <span class="label">Fix</span> {finding.fix}
      </p>
      {isFilterShown.value ? (
        <div class="finding-filter">
          <code>{filterLine(finding)}</code>
          <CopyButton text={filterLine(finding)} />
          <p class="quiet small">Nothing is written: give this to what checks your flows in your own code.</p>
        </div>
      ) : (
        <button type="button" class="button quiet small" onClick={() => (isFilterShown.value = true)}>
          Does not apply …
        </button>
      )}
    </article>
  );
}
