import { closeSync, openSync } from 'node:fs';
import {
  applyRules,
  buildAmbientPodRules,
  findTools,
  removeRules,
  verifyRules,
  type WorkOptions,
} from '@ambientmesh/iptables';
import { expect, test } from 'vitest';
import { openThrowAway } from './testing/throw-away-namespace.ts';

const rules = buildAmbientPodRules({ capture: 'redirect', dns: true });
const OURS = /ISTIO|32764|table 100/;

test('calls for one namespace, by path and by descriptor, wait for each other', async () => {
  await using pod = await openThrowAway();
  const fd = openSync(pod.namespace, 'r');
  try {
    const places: readonly WorkOptions[] = [
      pod,
      { namespace: { fd } },
      { namespace: `/proc/${pod.pid}/task/${pod.pid}/ns/net` },
    ];
    const outcomes = await Promise.all(places.map((place) => applyRules(rules, place)));
    expect(outcomes.map(({ v4 }) => v4).toSorted()).toEqual(['applied', 'unchanged', 'unchanged']);
    expect(await verifyRules(rules, pod)).toMatchObject({ intact: true });
  } finally {
    closeSync(fd);
  }
});

test('applying and removing at once: all is there, or nothing', async () => {
  await using pod = await openThrowAway();
  const tools = await findTools();
  await Promise.all([applyRules(rules, { ...pod, tools }), removeRules(rules, { ...pod, tools })]);
  const { intact } = await verifyRules(rules, { ...pod, tools });
  expect(intact || !OURS.test(pod.state())).toBe(true);
});

test('an abort while another call works does nothing at all', async () => {
  await using pod = await openThrowAway();
  const controller = new AbortController();
  const first = applyRules(rules, pod);
  const second = removeRules(rules, { ...pod, signal: controller.signal });
  const reason = new Error('enough');
  controller.abort(reason);
  await expect(second).rejects.toBe(reason);
  expect(await first).toEqual({ v4: 'applied', v6: 'applied' });
  expect(await verifyRules(rules, pod)).toMatchObject({ intact: true });
});
