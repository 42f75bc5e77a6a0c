import { expect, test } from 'vitest';
import { findTellingLine } from './ztunnel-process.ts';

test.each([
  { log: 'info\terror: no such file\ninfo\tended', line: 'info\terror: no such file' },
  { log: 'a\tERROR\tb\nc\n', line: 'a\tERROR\tb' },
  { log: 'dns: try_tcp_on_error: true\nlast \n', line: 'last' },
  { log: '', line: '' },
])('of $log the line $line tells most', ({ log, line }) => {
  expect(findTellingLine(log)).toBe(line);
});
