import { Empty } from "../parts/empty.tsx";
import { Header } from "../parts/header.tsx";

/** Tells that the server does not know this browser: it was started anew, or the address lacked its token. */
export function SignedOut() {
  return (
    <>
      <Header title="Signed out" />
      <Empty
        icon="approvals"
        title="penguiflow dev does not know this browser"
        text={
          <>
            Each start makes a new token. Open the address that <code>penguiflow dev</code> printed last; it ends in{" "}
            <code>#token=…</code>
          </>
        }
      >
        <button type="button" class="button" onClick={() => location.reload()}>
          Try again
        </button>
      </Empty>
    </>
  );
}
