import { createNodeEngine, type Engine } from '@ambientmesh/hbone';
import { expect, test } from 'vitest';
import { RETIRED_MS, ThreadCertificates } from './certificates.ts';

/** An engine whose credentials are to be closed, and whose timers a test lets run. */
function start() {
  const timers: { readonly ms: number; readonly callback: () => void }[] = [];
  const closed: string[] = [];
  const real = createNodeEngine();
  const engine: Engine = Object.assign(Object.create(real), {
    after: (ms: number, callback: () => void) => {
      timers.push({ ms, callback });
      return { cancel: () => undefined };
    },
    credentials: ({ chainPem }: { readonly chainPem: string }) => ({
      engine: real,
      close: () => void closed.push(chainPem),
    }),
  });
  const certificates = new ThreadCertificates(engine, () => undefined);
  const put = (chainPem: string): boolean =>
    certificates.put({ identity: 'spiffe://td/ns/n/sa/a', chainPem, privateKeyPem: '', rootsPem: [] });
  const elapse = (): void => {
    for (const { ms, callback } of timers.splice(0)) {
      expect(ms).toBe(RETIRED_MS);
      callback();
    }
  };
  return { certificates, put, closed, elapse };
}

test('credentials that were replaced or forgotten are closed, once those that have taken them are done', () => {
  const { certificates, put, closed, elapse } = start();
  put('first');
  elapse();
  expect(closed).toEqual([]);
  put('second');
  expect(closed).toEqual([]);
  elapse();
  expect(closed).toEqual(['first']);
  certificates.forget('spiffe://td/ns/n/sa/a');
  elapse();
  expect(closed).toEqual(['first', 'second']);
});
