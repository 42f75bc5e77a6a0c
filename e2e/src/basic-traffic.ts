import type { LabClient } from '@ambientmesh/lab';
import { expect, test } from 'vitest';
import { ADDRESS, ADDRESS6, PORT } from './lab/test-topology.ts';
import { PodSockets } from './pods/pod-sockets.ts';

const MIB = 1_024 * 1_024;
const PARALLEL = 32;

/** What every pair of ztunnels must do, whatever they are made of; `subject` gives the lab they run in. */
export function testBasicTraffic(subject: () => LabClient): void {
  test.each([
    { from: 'sleep', to: 'httpbin-2', way: 'to the other node' },
    { from: 'sleep', to: 'httpbin-1', way: 'on the same node' },
    { from: 'httpbin-2', to: 'httpbin-1', way: 'back from the other node' },
    { from: 'outside', to: 'httpbin-1', way: 'from outside the mesh' },
    { from: 'sleep', to: 'outside', way: 'to outside the mesh' },
  ] as const)('HTTP $way arrives from the address of the client', async ({ from, to }) => {
    const { stdout } = await subject().exec(from, ['curl', '-sS', `http://${ADDRESS[to]}:${PORT.http}/ip`]);
    const { origin, pod } = JSON.parse(stdout);
    expect(pod).toBe(to);
    expect(origin).toMatch(`${ADDRESS[from]}:`);
  });

  test('HTTP over IPv6 arrives from the address of the client', async () => {
    const { stdout } = await subject().exec('sleep', ['curl', '-gsS', `http://[${ADDRESS6['httpbin-2']}]:8080/ip`]);
    expect(JSON.parse(stdout).origin).toMatch(`[${ADDRESS6.sleep}]:`);
  });

  test('a service is reached by its name', async () => {
    const { stdout } = await subject().exec('sleep', ['curl', '-sS', 'http://httpbin/hostname']);
    expect(stdout).toMatch(/^httpbin-[12]\n$/);
  });

  test.each(['httpbin-1', 'httpbin-2'] as const)('%s gets all of an upload and answers after its end', async (to) => {
    await using pod = new PodSockets(subject(), 'sleep');
    const connection = await pod.connect(ADDRESS[to], PORT.digest);
    const { sha256 } = await connection.send(8 * MIB);
    await connection.end();
    expect(await connection.readToEnd()).toMatchObject({ text: `${8 * MIB} ${sha256}\n`, end: 'fin' });
  });

  test.each(['httpbin-1', 'httpbin-2'] as const)('a download of %s arrives whole', async (to) => {
    await using pod = new PodSockets(subject(), 'sleep');
    const connection = await pod.connect(ADDRESS[to], PORT.source);
    await connection.write(`${8 * MIB}\n`);
    expect(await connection.readToEnd()).toMatchObject({ bytes: 8 * MIB, end: 'fin' });
  });

  test('a server that speaks first is heard', async () => {
    await using pod = new PodSockets(subject(), 'sleep');
    const connection = await pod.connect(ADDRESS['httpbin-2'], PORT.banner);
    const hello = `hello from httpbin-2 to ${ADDRESS.sleep}:`;
    expect((await connection.read(hello.length)).text).toBe(hello);
  });

  test('what the client says after the end of the server arrives', async () => {
    const lab = subject();
    await using pod = new PodSockets(lab, 'sleep');
    const connection = await pod.connect(ADDRESS['httpbin-2'], PORT.earlyEnd);
    expect(await connection.readToEnd()).toMatchObject({ text: 'bye\n', end: 'fin' });
    const { sha256 } = await connection.send(MIB);
    await connection.end();
    await lab.waitForLog('httpbin-2', (line) => line.includes(`"sha256":"${sha256}"`) && line.includes('"end":"fin"'));
  });

  test(`${PARALLEL} connections at once`, async () => {
    await using pod = new PodSockets(subject(), 'sleep');
    const echoes = Array.from({ length: PARALLEL }, async (_, index) => {
      const connection = await pod.connect(ADDRESS[index % 2 === 0 ? 'httpbin-1' : 'httpbin-2'], PORT.echo);
      const text = `number ${index}`;
      expect(await connection.echo(text)).toBe(text);
      await connection.end();
      expect(await connection.readToEnd()).toMatchObject({ bytes: 0, end: 'fin' });
    });
    await Promise.all(echoes);
  });

  test('a port nobody listens on is a reset for a client that has sent', async () => {
    const { code } = await subject().exec('sleep', ['curl', '-sS', `http://${ADDRESS['httpbin-2']}:1/`]);
    expect([52, 56]).toContain(code);
  });
}
