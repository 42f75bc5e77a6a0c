import { connectionFailureDebug } from '@ambientmesh/hbone';
import { expect, test } from 'vitest';
import { CONNECTION_UNANNOUNCED } from './stream-failure.ts';

const reset = { code: 'ECONNRESET', message: 'Connection reset by peer (os error 104)' };
const calm = { code: 'HTTP2', message: 'connection error detected: detected excessive load generating behavior' };

test.each([
  { failure: reset, text: 'Io(Kind(ConnectionReset))' },
  { failure: { code: 'EPROTO', message: '' }, text: 'Io(Kind(Other))' },
  {
    failure: { code: 'TLS', message: 'received fatal alert: CertificateExpired' },
    text: 'Io(Custom { kind: InvalidData, error: "received fatal alert: CertificateExpired" })',
  },
  {
    failure: CONNECTION_UNANNOUNCED,
    text: `Io(Custom { kind: UnexpectedEof, error: "${CONNECTION_UNANNOUNCED.message}" })`,
  },
  { failure: calm, text: 'GoAway(b"", ENHANCE_YOUR_CALM, Library)' },
])('the reference prints $failure.code as $text', ({ failure, text }) => {
  expect(connectionFailureDebug(failure)).toBe(`Error { kind: ${text} }`);
});
