import { useComputed } from "@preact/signals";
import { count } from "../../parts/figures.ts";
import type { WatchedFlow } from "./watch-flow.ts";

/** Work that each tenant has started, and its ends. */
export function TenantTable({ watched }: { readonly watched: WatchedFlow }) {
  const tenants = useComputed(() => {
    void watched.beat.value;
    return [...watched.live.tenants.values()].sort((a, b) => b.handled - a.handled).map((each) => ({ ...each }));
  }).value;
  const most = Math.max(1, ...tenants.map(({ handled }) => handled));
  if (tenants.length === 0) return <p class="quiet small">No tenant has sent anything since this page was opened.</p>;
  return (
    <>
      <p class="quiet small">Since this page was opened.</p>
      <table class="figures-table">
        <thead>
          <tr>
            <th scope="col">tenant</th>
            <th scope="col">started</th>
            <th scope="col">completed</th>
            <th scope="col">failed</th>
            <th scope="col">nodes run</th>
          </tr>
        </thead>
        <tbody>
          {tenants.map(({ tenant, started, completed, failed, handled }) => (
            <tr key={tenant}>
              <th scope="row">
                {tenant}
                <span class="tenant-bar" aria-hidden="true">
                  <i style={{ width: `${(handled / most) * 100}%` }} />
                </span>
              </th>
              <td>{count(started)}</td>
              <td>{count(completed)}</td>
              <td data-loud={failed > 0}>{count(failed)}</td>
              <td>{count(handled)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
