import { expect, test } from 'vitest';
import { parseOptions } from './options.ts';

test.each([
  { args: [], ours: true, nodeEngine: true },
  { args: ['--skip', 'node'], ours: true, nodeEngine: false },
  { args: ['--skip', 'ours'], ours: false, nodeEngine: true },
  // Another ztunnel takes its place: with both, the table would be too wide, and the run long.
  { args: ['--ztunnel', 'ztunnel'], ours: true, nodeEngine: false },
])('$args: ours $ours, on Node’s own engine $nodeEngine', ({ args, ours, nodeEngine }) => {
  expect(parseOptions(args, '/')).toMatchObject({ ours, nodeEngine });
});

test('another ztunnel never has a name of ours', () => {
  const options = parseOptions(['--ztunnel', 'node proxy.mjs', '--ztunnel', 'ours', '--ztunnel', 'a/node'], '/x');
  expect(options?.rivals.map(({ name }) => name)).toEqual(['node2', 'ours2', 'node3']);
});

test('without a contestant there is nothing to do', () => {
  const skip = ['ours', 'node', 'direct', 'http2', 'http2-4M'].flatMap((name) => ['--skip', name]);
  expect(() => parseOptions(skip, '/')).toThrow(expect.objectContaining({ code: 'BENCH_OPTIONS_INVALID' }));
});
