import { X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import { createAuthority, createTestPod } from '../data-plane/testing/test-pod.ts';
import { warnOfUnparsedNames } from './unparsed-names.ts';

const GOOD = 'spiffe://cluster.local/ns/default/sa/client';
const authority = await createAuthority();

async function warnings(...uris: string[]): Promise<string[]> {
  const { pod, lines } = createTestPod();
  const { chainPem } = await authority.issue({ uris });
  warnOfUnparsedNames(pod, new X509Certificate(chainPem).raw);
  return lines();
}

test('§1.1: names that are no SPIFFE ID are ignored with a warning', async () => {
  const bad = 'spiffe://cluster.local/ns/x/sa/y/more';
  expect(await warnings(bad, GOOD)).toEqual([
    `warn\ttls::certificate:proxy{wl=default/server}\tSAN URI(${bad}) could not be parsed: invalid spiffe identity: ${bad}\t`,
  ]);
  expect(await warnings(GOOD)).toEqual([]);
});

test('names of a hostile client take few lines, and break none', async () => {
  const names = Array.from({ length: 10 }, (_, index) => `urn:${index}\nerror\taccess\t${'x'.repeat(1000)}`);
  const lines = await warnings(...names);
  expect(lines).toHaveLength(4);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(800);
  expect(lines[0]).toContain('SAN URI(urn:0?error?access?xxx');
});
