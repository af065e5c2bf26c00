import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Queue } from "../lib/queue.ts";

/** One piece of work that the queue has begun and the test ends. */
interface Job {
  readonly name: string;
  readonly count: number;
  readonly number: number;
  end(): void;
}

/** What becomes of orders that wait when the queue closes. */
const ABANDONED = -1;

/** A queue whose work ends when the test says so; the result is the job's number, from 1. */
class Bench {
  readonly started: Job[] = [];
  readonly running: Job[] = [];
  readonly queue: Queue<string, number, number>;
  /** Rests that have not ended yet. */
  readonly rests: (() => void)[] = [];

  constructor(concurrency: number, rest = 0) {
    this.queue = new Queue<string, number, number>({
      concurrency,
      merge: (older, newer) => older + newer,
      abandon: () => ABANDONED,
      rest: () => rest,
      after: (_ms, callback) => {
        this.rests.push(callback);
        return () => this.rests.splice(this.rests.indexOf(callback), 1);
      },
      run: (name, count) => {
        const { promise, resolve } = Promise.withResolvers<number>();
        const number = this.started.length + 1;
        const end = () => {
          this.running.splice(this.running.indexOf(job), 1);
          resolve(number);
        };
        const job: Job = { name, count, number, end };
        this.started.push(job);
        this.running.push(job);
        return promise;
      },
    });
  }

  get names(): string[] {
    return this.started.map(({ name }) => name);
  }

  /** Ends the oldest job that runs, and lets the queue take note. */
  async end(): Promise<void> {
    this.running[0]!.end();
    await settle();
  }

  async endAll(): Promise<void> {
    while (this.running.length > 0) await this.end();
  }
}

/** Lets everything run that waits for nothing but its turn. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

Deno.test("Queue.submit() runs at once where nothing else does, and resolves with the result", async () => {
  const bench = new Bench(1);
  const result = bench.queue.submit("app", 1);
  assertEquals(bench.names, ["app"]);
  assertEquals(bench.queue.size, { running: 1, waiting: 0 });
  await bench.end();
  assertEquals(await result, 1);
  assertEquals(bench.queue.size, { running: 0, waiting: 0 });
});

Deno.test("Queue.submit() makes one more run of a thousand that come while one runs", async () => {
  const bench = new Bench(4);
  const first = bench.queue.submit("app", 1);
  const rest = Array.from({ length: 1000 }, () => bench.queue.submit("app", 1));
  assertEquals(bench.queue.size, { running: 1, waiting: 1 });
  await bench.endAll();
  assertEquals(await first, 1);
  assertEquals(new Set(await Promise.all(rest)), new Set([2]));
  assertEquals(bench.started.map(({ count }) => count), [1, 1000]);
});

Deno.test("Queue.submit() promises work that begins after it, never work in progress", async () => {
  const bench = new Bench(1);
  const first = bench.queue.submit("app", 1);
  const second = bench.queue.submit("app", 1);
  await bench.end();
  const third = bench.queue.submit("app", 1);
  await bench.endAll();
  assertEquals(await Promise.all([first, second, third]), [1, 2, 3]);
});

Deno.test("Queue runs no more than its concurrency, in the order of arrival", async () => {
  const bench = new Bench(2);
  for (const name of ["a", "b", "c", "d", "b", "c"]) void bench.queue.submit(name, 1);
  assertEquals(bench.names, ["a", "b"]);
  assertEquals(bench.queue.size, { running: 2, waiting: 3 });
  await bench.end();
  assertEquals(bench.names, ["a", "b", "c"]);
  await bench.endAll();
  assertEquals(bench.names, ["a", "b", "c", "d", "b"]);
  assertEquals(bench.started.map(({ count }) => count), [1, 1, 2, 1, 1]);
});

Deno.test("Queue lets nobody who submits all the time starve the others", async () => {
  const bench = new Bench(1);
  void bench.queue.submit("busy", 1);
  void bench.queue.submit("busy", 1);
  void bench.queue.submit("quiet", 1);
  for (let round = 0; round < 3; round++) {
    await bench.end();
    void bench.queue.submit("busy", 1);
  }
  assertEquals(bench.names.slice(0, 4), ["busy", "busy", "quiet", "busy"]);
  await bench.endAll();
});

Deno.test("Queue passes over a name that runs already and takes the next one", async () => {
  const bench = new Bench(2);
  for (const name of ["a", "a", "b"]) void bench.queue.submit(name, 1);
  assertEquals(bench.names, ["a", "b"]);
  await bench.endAll();
  assertEquals(bench.names, ["a", "b", "a"]);
});

Deno.test("Queue.concurrency takes effect at once and ends nothing that runs", async () => {
  const bench = new Bench(1);
  for (const name of ["a", "b", "c", "d", "e"]) void bench.queue.submit(name, 1);
  bench.queue.concurrency = 3;
  assertEquals(bench.names, ["a", "b", "c"]);
  bench.queue.concurrency = 1;
  assertEquals(bench.running.length, 3);
  await bench.end();
  await bench.end();
  assertEquals(bench.names, ["a", "b", "c"], "two of three ended, and one runs");
  await bench.end();
  assertEquals(bench.names, ["a", "b", "c", "d"]);
  await bench.endAll();
  assertEquals(bench.started.length, 5);
});

Deno.test("Queue merges the orders that wait, in their order", async () => {
  const begun: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const queue = new Queue<string, string, void>({
    concurrency: 1,
    merge: (older, newer) => `${older}+${newer}`,
    abandon: () => {},
    rest: () => 0,
    after: () => () => {},
    run: (_name, order) => {
      begun.push(order);
      return promise;
    },
  });
  const ended = ["a", "b", "c", "d"].map((order) => queue.submit("app", order));
  resolve();
  await Promise.all(ended);
  assertEquals(begun, ["a", "b+c+d"]);
});

Deno.test("Queue lets a name rest after its work, while others go on", async () => {
  const bench = new Bench(1, 1_000);
  void bench.queue.submit("app", 1);
  await bench.end();
  void bench.queue.submit("app", 1);
  void bench.queue.submit("app", 1);
  void bench.queue.submit("other", 1);
  assertEquals([bench.names, bench.rests.length], [["app", "other"], 1]);
  assertEquals([bench.queue.isWaiting("app"), bench.queue.isWaiting("other")], [true, false]);
  bench.rests.shift()!();
  assertEquals(bench.names, ["app", "other"], "the other one runs");
  await bench.end();
  assertEquals(bench.names, ["app", "other", "app"]);
  assertEquals(bench.started.at(-1)!.count, 2);
  await bench.endAll();
});

Deno.test("Queue.close() begins nothing more, not even what rests, and answers who waits", async () => {
  const bench = new Bench(1, 1_000);
  void bench.queue.submit("app", 1);
  await bench.end();
  const waiting = bench.queue.submit("app", 1);
  await bench.queue.close();
  assertEquals([await waiting, bench.started.length, bench.rests], [ABANDONED, 1, []]);
});

Deno.test("Queue.close() takes nothing more and waits for what runs", async () => {
  const bench = new Bench(1);
  const accepted = ["a", "a", "b"].map((name) => bench.queue.submit(name, 1));
  let closed = false;
  const closing = bench.queue.close().then(() => closed = true);
  assertEquals(bench.queue.submit("a", 1), undefined);
  assertEquals(bench.queue.submit("c", 1), undefined);
  await settle();
  assertEquals(closed, false);
  await bench.end();
  await closing;
  assertEquals(await Promise.all(accepted), [1, ABANDONED, ABANDONED]);
  assertEquals(bench.names, ["a"]);
});

Deno.test("Queue.close() returns at once where nothing runs, as often as it is called", async () => {
  const { queue } = new Bench(1);
  await queue.close();
  await queue.close();
  assertEquals(queue.submit("a", 1), undefined);
});

/** What may happen to a queue. */
type Step =
  | { readonly kind: "submit"; readonly name: string }
  | { readonly kind: "end"; readonly which: number }
  | { readonly kind: "concurrency"; readonly value: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("submit"), name: fc.constantFrom(..."abcd") }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("end"), which: fc.nat({ max: 9 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("concurrency"),
      value: fc.integer({ min: 1, max: 3 }),
    }),
  },
) as fc.Arbitrary<Step>;

/** The rules that hold after every step. */
function assertInvariants(bench: Bench, allowed: number, runningBefore: readonly Job[]): void {
  const names = bench.running.map(({ name }) => name);
  assertEquals(new Set(names).size, names.length, `twice at a time: ${names}`);
  const isNew = bench.running.some((job) => !runningBefore.includes(job));
  if (isNew) assert(names.length <= allowed, `${names.length} run, ${allowed} may`);
  const { running, waiting } = bench.queue.size;
  assertEquals(running, names.length);
  if (running < allowed) {
    assert(waiting <= running, "idle while somebody could run");
  }
}

Deno.test("Queue keeps its promises in any order of events", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 1, max: 3 }),
      async (steps, concurrency) => {
        const bench = new Bench(concurrency);
        let allowed = concurrency;
        const submitted: { name: string; startedBefore: number; result: Promise<number> }[] = [];
        for (const step of steps) {
          const before = [...bench.running];
          if (step.kind === "submit") {
            const startedBefore = bench.started.length;
            const result = bench.queue.submit(step.name, 1)!;
            submitted.push({ name: step.name, startedBefore, result });
          } else if (step.kind === "concurrency") {
            bench.queue.concurrency = allowed = step.value;
          } else if (bench.running.length > 0) {
            bench.running[step.which % bench.running.length]!.end();
          }
          await settle();
          assertInvariants(bench, allowed, before);
        }
        await bench.endAll();
        await bench.queue.close();
        for (const { name, startedBefore, result } of submitted) {
          const number = await result;
          assert(number > startedBefore, "the work began after it was asked for");
          assertEquals(bench.started[number - 1]!.name, name);
        }
        const served = bench.started.reduce((sum, { count }) => sum + count, 0);
        assertEquals(served, submitted.length, "everybody is counted once");
        assert(bench.started.length <= submitted.length);
      },
    ),
    { numRuns: 200 },
  );
});
