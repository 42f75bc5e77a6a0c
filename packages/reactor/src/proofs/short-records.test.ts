/** A client that takes short records only: RFC 6066 4. */
import { expect, test } from 'vitest';
import { PatternedEnd } from './patterned-end.ts';
import { RawTlsClient } from './raw-tls-client.ts';
import { issue, Pump, ReactorSide, tlsOf } from './side.ts';

const BYTES = 100_000;
/** Of 512 octets. */
const SHORTEST = 1;

test.each([0, SHORTEST])('max_fragment_length %i is kept to', async (code) => {
  const side = new ReactorSide();
  const pump = new Pump([side]);
  const server = new PatternedEnd(1, 0);
  const tls = tlsOf(side.engine, 'server');
  const port = await side.listen((plain) => {
    server.secure = side.engine.secureServer(plain, tls, server);
  });
  const client = new RawTlsClient(side.engine, await pump.wait(side.dial(port), 'connected'), issue('raw'), code);
  const until = (condition: () => boolean, what: string): Promise<void> =>
    pump.until(() => {
      client.turn();
      return condition();
    }, what);
  await until(() => client.established && server.events.includes('established'), 'the handshake');
  server.send(BYTES);
  await until(() => client.received === BYTES || server.failure !== undefined, 'all octets');
  expect([client.received, server.failure]).toEqual([BYTES, undefined]);
  client.close();
  server.secure!.abort();
  side.deafen();
  await pump.until(() => Object.values(side.engine.holdings).every((count) => count === 0), 'all given back');
  side.close();
});
