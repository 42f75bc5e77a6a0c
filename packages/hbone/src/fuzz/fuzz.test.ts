import { expect, test } from 'vitest';
import { readCorpus } from './corpus.ts';
import { Fuzzer } from './fuzzer.ts';
import { loadInstrumented } from './instrumented.ts';
import { GRAMMARS, TARGETS } from './targets.ts';

/** The short run of every change; the long ones are by hand. */
const RUNS = 250;
const SEED = 20_261_121;
const MAX_FILES = 100;
const MAX_FILE_BYTES = 4096;

const instrumented = await loadInstrumented();
const names = Object.keys(TARGETS);

test.each(names)('%s: nothing in the corpus of any target breaks a promise', (name) => {
  const target = TARGETS[name]!;
  for (const folder of names) {
    for (const [file, input] of readCorpus(folder)) expect(() => target(input), `${folder}/${file}`).not.toThrow();
  }
});

test('the corpus is small', () => {
  const files = names.flatMap((name) => [...readCorpus(name).values()]);
  expect(files.length).toBeGreaterThan(names.length);
  expect(files.length).toBeLessThanOrEqual(MAX_FILES);
  expect(Math.max(...files.map(({ length }) => length))).toBeLessThanOrEqual(MAX_FILE_BYTES);
});

test(`mutations of the corpus break no promise (seed ${SEED})`, () => {
  for (const name of names) {
    const fuzzer = new Fuzzer(instrumented.targets[name]!, instrumented, { grammar: GRAMMARS[name]!, seed: SEED });
    for (const input of readCorpus(name).values()) expect(fuzzer.add(input)).toBeUndefined();
    const covered = fuzzer.covered;
    expect(covered).toBeGreaterThan(0);
    for (let run = 0; run < RUNS; run++) {
      const finding = fuzzer.step();
      if (finding !== undefined) throw new Error(`${name}: ${finding.input.toString('hex')}`, { cause: finding.error });
    }
    expect(fuzzer.covered).toBeGreaterThanOrEqual(covered);
  }
});

test('a broken promise is found, and the input made small', () => {
  const { counters, branches } = instrumented;
  const target = (input: Uint8Array) => {
    counters[0] = input.length > 3 ? 1 : 0;
    if (input.length > 3) counters[1] = input.filter((octet) => octet === 0x40).length;
    if (input.filter((octet) => octet === 0x40).length > 2) throw new Error('broken');
  };
  const options = { grammar: GRAMMARS['huffman']!, seed: SEED };
  const runs = [1, 2].map(() => {
    const fuzzer = new Fuzzer(target, { targets: {}, counters, branches }, options);
    fuzzer.add(Buffer.alloc(5));
    for (;;) {
      const finding = fuzzer.step();
      if (finding !== undefined) return { runs: fuzzer.runs, input: finding.input.toString('hex') };
    }
  });
  expect(runs[0]?.input).toBe('404040');
  expect(runs[1]).toEqual(runs[0]);
});
