import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CertificateAuthority } from '@ambientmesh/spiffe';
import { expect, test } from 'vitest';
import type { ToDataThread } from '../data-plane/protocol.ts';
import { soon } from '../data-plane/testing/soon.ts';
import type { DataThread } from '../data-plane/thread.ts';
import { LogRoot } from '../log/logger.ts';
import type { ZtunnelConfig } from './config/config.ts';
import { parseConfig } from './config/parse-config.ts';
import { Ztunnel } from './ztunnel.ts';

/** Without an agent, on free ports. */
function configOf(variables: Record<string, string>): ZtunnelConfig {
  const all = new Map([
    ['XDS_ADDRESS', ''],
    ['CA_ADDRESS', 'https://ca:15012'],
    ['INPOD_UDS', join(tmpdir(), `no-agent-${process.pid}.sock`)],
    ...Object.entries(variables),
  ]);
  const system = { environmentNames: [...all.keys()], cores: 2, readFile: () => undefined };
  const parsed = parseConfig((name) => all.get(name), system);
  return { ...parsed, ports: { admin: 0, stats: 0, readiness: 0 } };
}

test('§15: a signal during the start ends it: nothing is begun after the drain, nothing stays open', async () => {
  const config = configOf({});
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

test('hbone.md §9: the lists of CRL_PATH are with every data thread before the process is ready', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'crl-'));
  const path = join(directory, 'ca-crl.pem');
  const authority = await CertificateAuthority.create({ trustDomain: 'td' });
  const list = await authority.revocationList(['01']);
  writeFileSync(path, list);
  const config = configOf({ CRL_PATH: path });
  const lines: string[] = [];
  const sink = { write: (text: string) => lines.push(text), flush: () => Promise.resolve() };
  const posted: ToDataThread[] = [];
  const thread = (): DataThread => ({
    post(message) {
      posted.push(message);
      if (message.type === 'drain') this.onMessage({ type: 'drained', cut: 0 });
    },
    onMessage: () => undefined,
    terminate: () => Promise.resolve(),
  });
  const ztunnel = new Ztunnel({
    config,
    log: new LogRoot({ format: 'plain', filter: config.logFilter, sink }),
    program: new URL(import.meta.url),
    args: [],
    startThreads: () => [thread(), thread()],
  });
  await ztunnel.start();
  const files = posted.flatMap((message) => (message.type === 'revocations' ? [Buffer.from(message.file)] : []));
  expect(files.map(String)).toEqual([list, list]);
  expect(lines.join('')).toContain('CRL file loaded');
  ztunnel.drain('SIGTERM');
  await ztunnel.ended;
  rmSync(directory, { recursive: true });
});

test('§3.3: pods are not asked for, and the process is not ready, before every data thread has the whole local configuration', async () => {
  const policies = Array.from(
    { length: 500 },
    (_, index) =>
      `- {name: p${index}, namespace: d, scope: Namespace, action: Allow, dryRun: false, rules: [[[{namespaces: [!Exact a]}]]]}`,
  );
  const config = configOf({ LOCAL_XDS: `policies:\n${policies.join('\n')}\n` });
  const sink = { write: () => undefined, flush: () => Promise.resolve() };
  const posted: ToDataThread[] = [];
  let stuck = true;
  const thread: DataThread = {
    post(message) {
      posted.push(message);
      if (message.type === 'batch-part' || (message.type === 'batch' && !stuck))
        this.onMessage({ type: 'batch-taken' });
      if (message.type === 'drain') this.onMessage({ type: 'drained', cut: 0 });
    },
    onMessage: () => undefined,
    terminate: () => Promise.resolve(),
  };
  const ztunnel = new Ztunnel({
    config,
    log: new LogRoot({ format: 'plain', filter: config.logFilter, sink }),
    program: new URL(import.meta.url),
    args: [],
    startThreads: () => [thread],
  });
  let started = false;
  const starting = ztunnel.start().then(() => (started = true));
  await soon(() => expect(posted.at(-1)?.type).toBe('batch'));
  const changes = posted.flatMap((message) =>
    message.type === 'batch' || message.type === 'batch-part' ? message.changes : [],
  );
  expect([changes.length, posted.length > 2, started]).toEqual([500, true, false]);
  stuck = false;
  thread.onMessage({ type: 'batch-taken' });
  await starting;
  ztunnel.drain('SIGTERM');
  await ztunnel.ended;
});
