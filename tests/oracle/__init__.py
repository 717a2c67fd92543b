"""What programs of tasks, pools and waits can do: a reference semantics, explored exhaustively.

It is small and knows nothing of the engine it judges.  A *program* is a set of jobs, each a list
of operations; a *state* is where everything stands; :func:`steps` gives every state that one step
of one thread can lead to.  From that follows, for a state, which blocked waits some continuation
ends and which queued tasks some continuation starts (:class:`Explorer`).

The engine sees of a state only what a trace would tell (:func:`snapshot_of`), not what the jobs
will do next.  So it must agree in two ways (THEORY.md 6.1):

* *sound*: what it calls stuck is stuck in every continuation, whatever the rest of each job is;
* *complete*: what it does not call stuck gets on in the *optimist's* continuation, in which every
  job that runs does all it can for the others.

Programs make no assumption the engine makes: the workers of a pool are started or not as the idle
count happens to say, timeouts fire at any time, futures are cancelled, pools are closed under
others' feet.

Longer run: ``python -m tests.oracle --programs 20000``.
"""
