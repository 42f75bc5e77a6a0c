import type { ApplyStep } from './apply-step.ts';
import type { PolicyRouting } from './core/owned-rules.ts';
import type { Family } from './core/rule.ts';
import type { Workplace } from './workplace.ts';

/** Reads the policy routing of one family and plans what it lacks; `route`: whether `lo` takes one. */
export async function planRoutingStep(
  place: Workplace,
  family: Family,
  routing: PolicyRouting,
  route: boolean,
): Promise<ApplyStep> {
  const before = await place.networking.readRouting(place.namespace, family, routing);
  const wanted = { rule: true, route: route || before.route };
  const same = before.rule === wanted.rule && before.route === wanted.route;
  return {
    found: same ? 'wanted' : before.rule || before.route ? 'other' : 'nothing',
    change: async ({ networking, namespace }) => {
      if (!same) await networking.changeRouting(namespace, family, routing, { current: before, wanted });
    },
    planUndo: async ({ networking, namespace }) => {
      if (same) return { go: async () => {} };
      const current = await networking.readRouting(namespace, family, routing);
      return {
        reliedOn: true,
        go: async () => networking.changeRouting(namespace, family, routing, { current, wanted: before }),
      };
    },
  };
}
