/**
 * Measures parsing a large save and planning the way to another one, in milliseconds, in this process that has done
 * nothing else. Arguments: number of samples (1), the save, the wanted rules as `write-planning-input.ts` wrote them.
 */
import { readFileSync } from 'node:fs';
import { argv, stdout } from 'node:process';
import { deserialize } from 'node:v8';
import { parseSave, plan, type RuleSet } from '@ambientmesh/iptables';
import { BenchError } from '../errors.ts';
import type { Samples } from './figures.ts';

const [, , , savePath = '', wantedPath = ''] = argv;
// Not parsed here: that would be practice for what is measured.
const wanted: RuleSet = deserialize(readFileSync(wantedPath));

const start = performance.now();
const lines = readFileSync(savePath, 'utf8').split('\n');
const split = performance.now();
const text = readFileSync(savePath, 'utf8');
const read = performance.now();
const current = parseSave(text, 'ipv4');
const parsed = performance.now();
const difference = plan(current, wanted);
const planned = performance.now();

if (lines.length < 2 || difference.tables.length === 0)
  throw new BenchError('BENCH_AGENT_FAILED', 'no difference was found between two saves that differ');
const baseline = [split - start];
const answer: Record<string, Samples> = {
  parseAndPlan: { value: [planned - read], baseline },
  parse: { value: [parsed - read], baseline },
};
stdout.write(JSON.stringify(answer));
