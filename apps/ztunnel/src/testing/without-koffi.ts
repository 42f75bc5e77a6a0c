/**
 * Loaded before a ztunnel by `NODE_OPTIONS=--import=…`, into every thread of it: the reactor gets the koffi that
 * `ZTUNNEL_TEST_KOFFI` names: `none`, or one of a kernel without `epoll`.
 */
import { registerHooks } from 'node:module';

const url = new URL('faulty-koffi.cjs', import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) => {
    const isOfReactor = context.parentURL?.includes('/packages/reactor/') ?? false;
    return specifier === 'koffi' && isOfReactor
      ? { url, format: 'commonjs', shortCircuit: true }
      : next(specifier, context);
  },
});
