import { expect, test } from "vitest";
import { Gatherer } from "../src/gatherer.ts";

/** A gatherer of numbers, whose requests are answered by hand. */
function gathered(mayJoin: (items: readonly number[], next: number) => boolean = () => true, atOnce = 1) {
  const sent: { readonly items: readonly number[]; readonly end: PromiseWithResolvers<readonly string[]> }[] = [];
  const gatherer = new Gatherer<number, string>(
    async (items) => {
      const end = Promise.withResolvers<readonly string[]>();
      sent.push({ items, end });
      return await end.promise;
    },
    mayJoin,
    { atOnce },
  );
  const answer = (index: number): void => {
    const { items, end } = sent[index]!;
    end.resolve(items.map((item) => `${item}!`));
  };
  return { gatherer, sent, answer };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("what is called in one turn, or while others are answered, goes together", async () => {
  const { gatherer, sent, answer } = gathered();
  const first = [gatherer.add(1), gatherer.add(2)];
  await turn();
  const second = [gatherer.add(3), gatherer.add(4)];
  await turn();
  expect(sent.map(({ items }) => items)).toEqual([[1, 2]]);
  answer(0);
  expect(await Promise.all(first)).toEqual(["1!", "2!"]);
  await turn();
  expect(sent.map(({ items }) => items)).toEqual([
    [1, 2],
    [3, 4],
  ]);
  answer(1);
  expect(await Promise.all(second)).toEqual(["3!", "4!"]);
});

test("what may not join others goes in the next one, alone if need be", async () => {
  const { gatherer, sent, answer } = gathered((items, next) => items.length + next < 3);
  const answers = [gatherer.add(1), gatherer.add(1), gatherer.add(9)];
  for (let index = 0; index < 2; index += 1) {
    await turn();
    answer(index);
  }
  expect(await Promise.all(answers)).toEqual(["1!", "1!", "9!"]);
  expect(sent.map(({ items }) => items)).toEqual([[1, 1], [9]]);
});

test("a failure is that of its calls alone", async () => {
  const { gatherer, sent, answer } = gathered();
  const failing = gatherer.add(1);
  await turn();
  const other = gatherer.add(2);
  sent[0]!.end.reject(new Error("no answer"));
  await expect(failing).rejects.toThrow("no answer");
  await turn();
  answer(1);
  expect(await other).toBe("2!");
});

test("as many go at once as may, and then what waits goes together", async () => {
  const { gatherer, sent, answer } = gathered(undefined, 2);
  const answers: Promise<string>[] = [];
  for (const item of [1, 2, 3, 4]) {
    answers.push(gatherer.add(item));
    await turn();
  }
  expect(sent.map(({ items }) => items)).toEqual([[1], [2]]);
  answer(1);
  await turn();
  expect(sent.at(-1)!.items).toEqual([3, 4]);
  answer(0);
  answer(2);
  expect(await Promise.all(answers)).toEqual(["1!", "2!", "3!", "4!"]);
});
