import { setFlagsFromString } from 'node:v8';

/** The first Node whose V8 has `external-memory-accounted-in-global-limit`; others complain on stderr. */
const ACCOUNTED_SINCE_NODE = 24;
/** A data thread's heap holds some 16 MB on Node's sockets; below this V8 does not collect it as a whole. */
const INITIAL_OLD_SPACE_MB = 64;
/** On the reactor it holds 8 MB and what connections need. By default V8 lets twice as much of garbage lie as with this. */
const REACTOR_INITIAL_OLD_SPACE_MB = 16;

/** V8's own 3,000 are meant for code that Maglev has compiled by then: without it they pass in code that nobody optimized. */
const CALLS_BEFORE_TURBOFAN = 500;

/**
 * Has V8 leave the heaps of threads started from now on alone: what sockets deliver is memory outside of the heap, which
 * holds next to no garbage itself. V8 counts such memory apart by default, and starts from a heap so small that it is
 * full all the time: dozens of full collections a second, several ms each. Flags about the collector's threads belong on
 * the command line: set here they crash a collection under way. The reactor has one piece of memory outside, for good:
 * if that counted, the garbage of connections would grow beside it. Without V8's middle compiler the hot code of the
 * reactor is compiled once instead of twice: 11 MB less that malloc keeps, and less CPU a connection.
 */
export function tuneV8(engine: 'reactor' | 'node'): void {
  if (engine === 'reactor') {
    setFlagsFromString(`--initial-old-space-size=${REACTOR_INITIAL_OLD_SPACE_MB}`);
    // Node 22 has it switched off, and knows the flag.
    setFlagsFromString('--no-maglev');
    setFlagsFromString(`--invocation-count-for-turbofan=${CALLS_BEFORE_TURBOFAN}`);
    return;
  }
  if (Number.parseInt(process.versions.node, 10) >= ACCOUNTED_SINCE_NODE)
    setFlagsFromString('--external-memory-accounted-in-global-limit');
  setFlagsFromString(`--initial-old-space-size=${INITIAL_OLD_SPACE_MB}`);
}
