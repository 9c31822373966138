/**
 * A mistake in what a person asked for, or something that cannot be done now: the message is shown as it is, without a stack
 * trace. Everything else that is thrown is a bug.
 */
export class UserError extends Error {
  override readonly name = 'UserError';
}
