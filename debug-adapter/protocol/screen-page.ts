/** What the screen view and its page tell each other. */
import type { TextScreenBody } from './text-screen.ts';

/** To the page. */
export type ScreenPageUpdate =
  | { readonly kind: 'screen'; readonly screen: TextScreenBody; readonly running: boolean }
  /** There is nothing to show; a sentence says why. */
  | { readonly kind: 'none'; readonly because: string };

/** From the page. */
export type ScreenPageMessage =
  /** It listens now. */
  | { readonly kind: 'ready' }
  /** Keys went down or up: bytes of scan code set 1. */
  | { readonly kind: 'keys'; readonly scanCodes: readonly number[] };
