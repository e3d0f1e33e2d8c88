// A chat of assistant-ui whose runtime is its AG-UI client. It shows text and tool calls as they come, and asks for the
// approval of a call, whose arguments the user may change.
import { EventType, HttpAgent } from "@ag-ui/client";
import { AssistantRuntimeProvider, ComposerPrimitive, MessagePrimitive, ThreadPrimitive } from "@assistant-ui/react";
import { useAgUiInterrupts, useAgUiRuntime, useAgUiSubmitInterruptResponses } from "@assistant-ui/react-ag-ui";
import { useState } from "react";
import { createRoot } from "react-dom/client";
import { filter } from "rxjs";

const agent = new HttpAgent({ url: "/agent" });
// the runtime makes one message of a run, and would lose it, with its interrupts, to a snapshot of the thread
agent.use((input, next) => next.run(input).pipe(filter(({ type }) => type !== EventType.MESSAGES_SNAPSHOT)));

function UserMessage() {
  return (
    <MessagePrimitive.Root className="said">
      <MessagePrimitive.Parts />
    </MessagePrimitive.Root>
  );
}

function ToolCall({ toolName, argsText, result }) {
  return (
    <p className="call">
      <code>
        {toolName} {argsText}
      </code>
      {result === undefined ? null : <output>{typeof result === "string" ? result : JSON.stringify(result)}</output>}
    </p>
  );
}

function AssistantMessage() {
  return (
    <MessagePrimitive.Root className="answer">
      <MessagePrimitive.Parts components={{ tools: { Fallback: ToolCall } }} />
    </MessagePrimitive.Root>
  );
}

/** Asks for the approval of a call. */
function Approval({ interrupt, submit }) {
  const [args, setArgs] = useState(JSON.stringify(interrupt.metadata?.penguiflow?.args));
  const answer = (payload) => void submit([{ interruptId: interrupt.id, status: "resolved", payload }]);
  return (
    <fieldset>
      <legend>{interrupt.message}</legend>
      <input aria-label="Arguments" value={args} onChange={(event) => setArgs(event.target.value)} />
      <button onClick={() => answer({ approved: true, editedArgs: JSON.parse(args) })}>Approve</button>
      <button onClick={() => answer({ approved: false })}>Reject</button>
    </fieldset>
  );
}

function Approvals() {
  const interrupts = useAgUiInterrupts();
  const submit = useAgUiSubmitInterruptResponses();
  return interrupts.map((interrupt) => <Approval key={interrupt.id} interrupt={interrupt} submit={submit} />);
}

function Chat() {
  return (
    <AssistantRuntimeProvider runtime={useAgUiRuntime({ agent })}>
      <ThreadPrimitive.Root>
        <ThreadPrimitive.Viewport>
          <ThreadPrimitive.Messages components={{ UserMessage, AssistantMessage }} />
          <Approvals />
        </ThreadPrimitive.Viewport>
        <ComposerPrimitive.Root>
          <ComposerPrimitive.Input placeholder="We are eight and need a room" aria-label="Message" />
          <ComposerPrimitive.Send>Send</ComposerPrimitive.Send>
        </ComposerPrimitive.Root>
      </ThreadPrimitive.Root>
    </AssistantRuntimeProvider>
  );
}

createRoot(document.querySelector("main")).render(<Chat />);
