import type { LabClient } from '@ambientmesh/lab';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { testBasicTraffic } from './basic-traffic.ts';
import { startTestLab } from './lab/start-test-lab.ts';
import { ztunnelOf } from './observed/node-process.ts';

describe.each([
  { threads: 'main', title: 'the data plane in the main thread' },
  { threads: '2', title: 'two data threads' },
])('with $title', ({ threads }) => {
  let lab: LabClient;
  beforeAll(async () => {
    lab = await startTestLab({ ztunnelEnvironment: { ZTUNNEL_WORKER_THREADS: threads } });
  });
  afterAll(() => lab?.close());

  testBasicTraffic(() => lab);

  test('no ztunnel had to be started again', async () => {
    expect(await ztunnelOf(lab, 'node1')).toMatchObject({ running: true, restarts: 0 });
    expect(await ztunnelOf(lab, 'node2')).toMatchObject({ running: true, restarts: 0 });
  });
});
