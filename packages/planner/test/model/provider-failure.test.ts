import { APICallError, LoadAPIKeyError } from "@ai-sdk/provider";
import { describe, expect, test } from "vitest";
import { providerFailure } from "../../src/model/provider-failure.ts";

/** Makes the error of a provider that has answered. */
function refusal(statusCode: number, message: string, headers: Record<string, string> = {}): APICallError {
  return new APICallError({ message, statusCode, responseHeaders: headers, url: "", requestBodyValues: {} });
}

const failureOf = (thrown: unknown) => providerFailure("m", thrown, undefined);

describe("a provider's error", () => {
  test.each([
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens",
    "Your input exceeds the context window of this model",
    "prompt is too long: 213462 tokens > 200000 maximum",
    "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575)",
    "Input is too long for requested model.",
    "Please reduce the length of the messages or completion",
    "This model's maximum prompt length is 131072 but the request contains 537812 tokens",
    "the request exceeds the available context size, try increasing it",
    "tokens to keep from the initial prompt is greater than the context length",
    "invalid params, context window exceeds limit",
    "Your request exceeded model token limit: 131072",
    "too many tokens: total tokens in the request must be less than 128000",
  ])('tells that the prompt is too long: "%s"', (message) => {
    expect(failureOf(refusal(400, message))).toMatchObject({ code: "CONTEXT_TOO_LONG", retryable: false });
    // as the error part of a stream
    expect(failureOf({ type: "invalid_request_error", message }).code).toBe("CONTEXT_TOO_LONG");
    expect(failureOf(message).code).toBe("CONTEXT_TOO_LONG");
  });

  test.each([
    refusal(429, "Too many tokens: request too large for model in organization on tokens per minute (TPM)"),
    refusal(503, "too many tokens per day, try later"),
    refusal(400, 'Invalid "max_tokens"'),
  ])("does not take a limit of rates or a bad request for a long prompt: %s", (error) => {
    expect(failureOf(error).code).toBe("MODEL_FAILED");
  });

  test.each([
    [refusal(500, "oops"), true],
    [refusal(429, "slow down"), true],
    [refusal(400, "bad"), false],
    [refusal(401, "who are you"), false],
    [
      new APICallError({
        message: "",
        statusCode: 429,
        responseBody: "insufficient_quota",
        url: "",
        requestBodyValues: {},
      }),
      false,
    ],
    [new LoadAPIKeyError({ message: "no key" }), false],
    [new TypeError("terminated"), true],
    [{ type: "overloaded_error", message: "Overloaded" }, true],
    ["overloaded", true],
    [undefined, true],
    [new Error("wrapped", { cause: refusal(400, "bad") }), false],
  ])("may be tried again or not: %s", (error, retryable) => {
    expect(failureOf(error).retryable).toBe(retryable);
  });

  test.each([
    [{ "retry-after-ms": "1500", "retry-after": "9" }, 1_500],
    [{ "retry-after": "2" }, 2_000],
    [{ "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", date: "Wed, 21 Oct 2026 07:28:00 GMT" }, 30_000],
    [{ "retry-after": "Wed, 21 Oct 2026 07:27:00 GMT", date: "Wed, 21 Oct 2026 07:28:00 GMT" }, 0],
    [{ "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT" }, undefined],
    [{ "retry-after": "soon" }, undefined],
    [{ "retry-after": "-1" }, undefined],
    [{}, undefined],
  ])("says how long to wait: %o", (headers, wait) => {
    expect(failureOf(refusal(429, "slow", headers)).retryAfterMs).toBe(wait);
  });

  test("keeps its words and its cause, and no request", () => {
    const cause = refusal(500, "oops");
    const failure = failureOf(cause);
    expect(failure).toMatchObject({ name: "ModelError", message: 'Cannot call model "m": 500 oops', cause });
    expect(failureOf("x".repeat(10_000)).message.length).toBeLessThan(600);
    expect(failureOf({ weird: true }).message).toBe('Cannot call model "m": {"weird":true}');
  });
});
