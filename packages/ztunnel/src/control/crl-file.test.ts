import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CertificateAuthority } from '@ambientmesh/spiffe';
import { afterEach, expect, test } from 'vitest';
import { soon } from '../data-plane/testing/soon.ts';
import { type Logger, silentLogger } from '../log/logger.ts';
import { CrlFile } from './crl-file.ts';
import { ManualClock } from './testing/manual-clock.ts';

const authority = await CertificateAuthority.create({ trustDomain: 'td' });
const [one, two] = await Promise.all([authority.revocationList(['01']), authority.revocationList(['01', '02'])]);

const undos: (() => void)[] = [];
afterEach(() => {
  for (const undo of undos.splice(0).toReversed()) undo();
});

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
  const clock = new ManualClock();
  const { timers } = clock;
  const published: string[] = [];
  const warnings: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (_, message) => warnings.push(message) };
  const publish = (bytes: Uint8Array): void => void published.push(Buffer.from(bytes).toString());
  const crl = new CrlFile({ path, clock, publish, logger });
  undos.push(() => crl.close());
  const elapse = (delayMs: number): Promise<void> => clock.elapse(delayMs);
  return { crl, clock, put, path, timers, published, warnings, elapse };
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
  await soon(() => expect(published).toEqual([one, two]));
  expect(warnings).toEqual([]);
});

test('§9: a reload that fails keeps the old set, and the next good one counts', async () => {
  const { crl, put, published, warnings, elapse } = world(one);
  await crl.start();
  put('garbage');
  await elapse(2000);
  await soon(() => expect(warnings).toEqual([expect.stringContaining('neither PEM nor DER')]));
  expect(published).toEqual([one]);
  put('');
  await elapse(2000);
  await soon(() => expect(published).toEqual([one, '']));
});

test('§9: missing at the start: told, and read when it is there', async () => {
  const { crl, put, published, warnings, elapse, timers } = world();
  await crl.start();
  expect(warnings).toEqual([expect.stringContaining('CRL file not found')]);
  await elapse(5000);
  await soon(() => expect(timers.size).toBe(1));
  put(one);
  await elapse(5000);
  await soon(() => expect(published).toEqual([one]));
  put(two);
  await elapse(2000);
  await soon(() => expect(published).toEqual([one, two]));
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
  const { clock, published, warnings, elapse, path } = world();
  const missing = join(path, '..', 'later', 'crl.pem');
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
  await soon(() => expect(published).toEqual([one]));
});

test('further changes put the reading off by 2 s each, but not past 10 s after the first', async () => {
  const { crl, path, timers, clock } = world(one);
  await crl.start();
  const change = async (): Promise<number | undefined> => {
    const before = clock.scheduled;
    writeFileSync(join(path, '..', 'other'), String(before));
    await soon(() => expect(clock.scheduled).toBeGreaterThan(before));
    // More than one event comes of one change.
    await soon(() => expect(timers.size).toBe(1));
    return [...timers][0]?.delayMs;
  };
  expect(await change()).toBe(2000);
  clock.pass(1500);
  expect(await change()).toBe(2000);
  clock.pass(7000);
  expect(await change()).toBe(1500);
  clock.pass(1500);
  expect(await change()).toBe(0);
});

test('the directory was swapped for another: that one is watched from then on', async () => {
  const { put, path, published, elapse, crl } = world(one);
  await crl.start();
  const directory = join(path, '..');
  renameSync(directory, `${directory}-old`);
  undos.push(() => rmSync(`${directory}-old`, { recursive: true }));
  mkdirSync(directory);
  writeFileSync(path, two);
  await elapse(2000);
  await soon(() => expect(published).toEqual([one, two]));
  put(one);
  await elapse(2000);
  unlinkSync(path);
  symlinkSync(join('..data', 'ca-crl.pem'), path);
  await elapse(2000);
  await soon(() => expect(published).toEqual([one, two, one]));
});

test('a file that was deleted: told once, the last one holds, and the next one counts', async () => {
  const { path, published, warnings, elapse, crl } = world(one);
  await crl.start();
  unlinkSync(path);
  await elapse(2000);
  for (let i = 0; i < 3; i++) await elapse(5000);
  expect(warnings).toEqual([expect.stringContaining('the last one holds')]);
  writeFileSync(path, two);
  await elapse(2000);
  await soon(() => expect(published).toEqual([one, two]));
  expect(warnings).toHaveLength(1);
});

test('§9: a list that says nothing is told of, and the others are used', async () => {
  const { crl, published, warnings } = world(one + asDelta(one));
  await crl.start();
  expect(warnings).toEqual([expect.stringContaining('list 2: it is a delta list')]);
  expect(published).toHaveLength(1);
});

/** With the identifier of another extension in place of authorityKeyIdentifier's; nobody asks for the signature here. */
function asDelta(list: string): string {
  const der = Buffer.from(list.replaceAll(/-----.*-----/g, ''), 'base64');
  const place = der.indexOf(Buffer.of(0x06, 0x03, 0x55, 0x1d, 0x23));
  expect(place).toBeGreaterThan(0);
  der[place + 4] = 0x1b;
  return `-----BEGIN X509 CRL-----\n${der.toString('base64')}\n-----END X509 CRL-----\n`;
}
