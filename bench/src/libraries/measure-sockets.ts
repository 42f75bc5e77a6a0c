/** Measures a socket made in another namespace, in microseconds. Argument: number of samples. */
import { argv, hrtime, stdout } from 'node:process';
import { closeDescriptor, Namespace, openTcp } from '@ambientmesh/netns';
// oxlint-disable-next-line no-restricted-imports -- the baseline is the two bare calls, without the library
import koffi from 'koffi';
import type { Samples } from './figures.ts';

/** A sample is their mean: one call is shorter than the clock's jitter. */
const CALLS = 1_000;
const NANOSECONDS_A_MICROSECOND = 1_000;
const AF_INET = 2;
/** SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, as the library asks for. */
const SOCKET_TYPE = 0x8_0801;

const library = koffi.load(null);
const socket = library.func('int socket(int, int, int)');
const close = library.func('int close(int)');
const namespace = Namespace.create();
const samples: { value: number[]; baseline: number[] } = { value: [], baseline: [] };
const bare = (): void => {
  close(socket(AF_INET, SOCKET_TYPE, 0));
};
const inNamespace = (): void => closeDescriptor(openTcp(namespace, { family: 4, noDelay: false, keepAlive: false }).fd);

// Once for the compiler.
measure(bare);
measure(inNamespace);
for (let count = Number(argv[2] ?? 1); count > 0; count -= 1) {
  samples.baseline.push(measure(bare));
  samples.value.push(measure(inNamespace));
}
namespace.close();
const answer: Record<string, Samples> = { descriptor: samples };
stdout.write(JSON.stringify(answer));

function measure(work: () => void): number {
  const start = hrtime.bigint();
  for (let call = 0; call < CALLS; call += 1) work();
  return Number(hrtime.bigint() - start) / CALLS / NANOSECONDS_A_MICROSECOND;
}
