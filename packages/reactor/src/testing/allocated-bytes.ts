import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { foreignLibrary } from '../native/foreign-library.ts';

/** Fields of glibc's `struct mallinfo2`. mallinfo(3) */
const FIELDS = [
  'arena',
  'ordblks',
  'smblks',
  'hblks',
  'hblkhd',
  'usmblks',
  'fsmblks',
  'uordblks',
  'fordblks',
  'keepcost',
];
/** What is collected in one round may let go of more. */
const ROUNDS = 3;

let measure: (() => number) | undefined;

/**
 * Bytes that OpenSSL and the rest of the process have allocated and not freed, garbage collected before: exact to some
 * kilobytes, unlike what is resident. Memory of V8 itself and of arenas is not of it. For tests.
 */
export function allocatedBytes(): number {
  measure ??= prepare();
  return measure();
}

function prepare(): () => number {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect !== 'function') throw new Error('no garbage collector');
  const { koffi } = foreignLibrary();
  const struct = koffi.struct(Object.fromEntries(FIELDS.map((field) => [field, 'size_t'])));
  const mallinfo = koffi.load(null).func('mallinfo2', struct, []);
  return () => {
    for (let round = 0; round < ROUNDS; round++) Reflect.apply(collect, undefined, []);
    const info: unknown = mallinfo();
    if (typeof info !== 'object' || info === null) throw new Error('no mallinfo2');
    return Number(Reflect.get(info, 'uordblks')) + Number(Reflect.get(info, 'hblkhd'));
  };
}
