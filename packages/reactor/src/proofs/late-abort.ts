/** A program: ends its connections after their engine, which is a fault of whoever has them. */
import { TunnelRig } from '../testing/tunnel-rig.ts';

const rig = new TunnelRig();
const tunnel = await rig.begin(rig.tls('spiffe://a/ns/b/sa/c'), rig.tls('spiffe://a/ns/b/sa/s'));
await rig.established([tunnel]);
// The last to have written is who still has the wire.
for (const secure of [tunnel.client, tunnel.server]) {
  secure.send(Buffer.alloc(60), 0, 60);
  await rig.turn();
}
await rig[Symbol.asyncDispose]();
for (const secure of [tunnel.server, tunnel.client]) secure.abort();
