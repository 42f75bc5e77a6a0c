import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LogRoot } from '../log/logger.ts';
import { parseConfig } from './config/parse-config.ts';
import { Ztunnel } from './ztunnel.ts';

test('§15: a signal during the start ends it: nothing is begun after the drain, nothing stays open', async () => {
  const variables = new Map([
    ['XDS_ADDRESS', ''],
    ['CA_ADDRESS', 'https://ca:15012'],
    ['INPOD_UDS', join(tmpdir(), `no-agent-${process.pid}.sock`)],
  ]);
  const system = { environmentNames: [...variables.keys()], cores: 2, readFile: () => undefined };
  const parsed = parseConfig((name) => variables.get(name), system);
  const config = { ...parsed, ports: { admin: 0, stats: 0, readiness: 0 } };
  const lines: string[] = [];
  const sink = { write: (text: string) => lines.push(text), flush: () => Promise.resolve() };
  let threadsStarted = 0;
  const ztunnel = new Ztunnel({
    config,
    log: new LogRoot({ format: 'plain', filter: config.logFilter, sink }),
    program: new URL(import.meta.url),
    args: [],
    startThreads: () => {
      threadsStarted++;
      return [];
    },
  });
  const started = ztunnel.start();
  expect(ztunnel.drain('SIGTERM')).toBe(true);
  await Promise.all([started, ztunnel.ended]);
  const count = (text: string): number => lines.filter((line) => line.includes(text)).length;
  expect(count('listener drained')).toBe(count('listener established'));
  expect(count('handling new stream') + count('failed to connect')).toBe(0);
  expect(threadsStarted).toBe(0);
});
