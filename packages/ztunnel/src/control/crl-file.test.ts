import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CertificateAuthority } from '@ambientmesh/spiffe';
import { afterEach, expect, test, vi } from 'vitest';
import { type Logger, silentLogger } from '../log/logger.ts';
import { CrlFile } from './crl-file.ts';

const authority = await CertificateAuthority.create({ trustDomain: 'td' });
const [one, two] = await Promise.all([authority.revocationList(['01']), authority.revocationList(['01', '02'])]);

const undos: (() => void)[] = [];
afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});

interface Timer {
  readonly delayMs: number;
  readonly action: () => void;
}

/** A directory as the kubelet makes it of a ConfigMap: the file is a link into `..data`, which is a link to a version. */
function world(file?: string) {
  const directory = mkdtempSync(join(tmpdir(), 'crl-'));
  undos.push(() => rmSync(directory, { recursive: true }));
  let version = 0;
  const put = (text: string): void => {
    const name = `..version-${++version}`;
    mkdirSync(join(directory, name));
    writeFileSync(join(directory, name, 'ca-crl.pem'), text);
    symlinkSync(name, join(directory, '..data_tmp'));
    renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
  };
  const path = join(directory, 'ca-crl.pem');
  symlinkSync(join('..data', 'ca-crl.pem'), path);
  if (file !== undefined) put(file);
  const timers = new Set<Timer>();
  const published: string[] = [];
  const warnings: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (_, message) => warnings.push(message) };
  const clock = {
    now: () => 0,
    schedule: (delayMs: number, action: () => void) => {
      const timer = { delayMs, action };
      timers.add(timer);
      return () => timers.delete(timer);
    },
  };
  const publish = (bytes: Uint8Array): void => void published.push(Buffer.from(bytes).toString());
  const crl = new CrlFile({ path, clock, publish, logger });
  undos.push(() => crl.close());
  /** Waits for a change to be seen and lets its time pass. */
  const elapse = async (delayMs: number): Promise<void> => {
    await vi.waitFor(() => expect([...timers].map((timer) => timer.delayMs)).toEqual([delayMs]));
    for (const timer of timers) {
      timers.delete(timer);
      timer.action();
    }
  };
  return { crl, put, path, timers, published, warnings, elapse };
}

test('§9: without a path nothing is read', async () => {
  const { published, warnings, timers } = world();
  const crl = new CrlFile({
    path: undefined,
    clock: { now: () => 0, schedule: () => () => undefined },
    publish: () => undefined,
    logger: silentLogger,
  });
  await crl.start();
  crl.close();
  expect([published, warnings, timers.size]).toEqual([[], [], 0]);
});

test('§9: read at the start, and again 2 s after the ConfigMap was swapped', async () => {
  const { crl, put, published, warnings, elapse } = world(one);
  await crl.start();
  expect(published).toEqual([one]);
  put(two);
  await elapse(2000);
  await vi.waitFor(() => expect(published).toEqual([one, two]));
  expect(warnings).toEqual([]);
});

test('§9: a reload that fails keeps the old set, and the next good one counts', async () => {
  const { crl, put, published, warnings, elapse } = world(one);
  await crl.start();
  put('garbage');
  await elapse(2000);
  await vi.waitFor(() => expect(warnings).toEqual([expect.stringContaining('neither PEM nor DER')]));
  expect(published).toEqual([one]);
  put('');
  await elapse(2000);
  await vi.waitFor(() => expect(published).toEqual([one, '']));
});

test('§9: missing at the start: told, and read when it is there', async () => {
  const { crl, put, published, warnings, elapse, timers } = world();
  await crl.start();
  expect(warnings).toEqual([expect.stringContaining('CRL file not found')]);
  await elapse(5000);
  await vi.waitFor(() => expect(timers.size).toBe(1));
  put(one);
  await elapse(5000);
  await vi.waitFor(() => expect(published).toEqual([one]));
  put(two);
  await elapse(2000);
  await vi.waitFor(() => expect(published).toEqual([one, two]));
  expect(warnings).toHaveLength(1);
});

test('§9: unusable at the start: told, and off for the life of the process', async () => {
  const { crl, put, published, warnings, timers } = world('garbage');
  await crl.start();
  expect(warnings).toEqual([expect.stringContaining('not used'), expect.stringContaining('disabled')]);
  put(one);
  await crl.start();
  expect(timers.size).toBe(0);
  expect(published).toEqual([]);
});

test('a directory that is not there is looked for again', async () => {
  const { published, warnings, elapse, path, timers } = world();
  const missing = join(path, '..', 'later', 'crl.pem');
  const clock = {
    now: () => 0,
    schedule: (delayMs: number, action: () => void) => {
      const timer = { delayMs, action };
      timers.add(timer);
      return () => timers.delete(timer);
    },
  };
  const logger: Logger = { ...silentLogger, warn: (_, message) => warnings.push(message) };
  const crl = new CrlFile({
    path: missing,
    clock,
    publish: (bytes) => void published.push(Buffer.from(bytes).toString()),
    logger,
  });
  undos.push(() => crl.close());
  await crl.start();
  mkdirSync(join(path, '..', 'later'));
  writeFileSync(missing, one);
  await elapse(5000);
  await vi.waitFor(() => expect(published).toEqual([one]));
});
