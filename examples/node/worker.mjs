// The worker `orders`: it takes orders, and works with the worker `users` (Python), wherever and whenever that runs.
//
//     npm ci
//     III_URL=ws://127.0.0.1:49134 node worker.mjs        (Ctrl-C stops it)
//
// It is the mirror image of ../python/worker.py, in the same order:
//
// 1. offer *functions* that anybody can call by name;
// 2. offer a *trigger type*: others say "call me when an order is placed";
// 3. use the other worker's trigger type: "call me when a user is created";
// 4. *discover*: hear of others coming and going, and act on it;
// 5. *call* the other worker, and check what comes back.

import { TriggerAction, registerWorker } from 'iii-sdk'

const PEER = 'users'
const PEER_OFFERS = ['users::create', 'users::get'] // what we need of it

// Returns at once and connects in the background; if the connection breaks, the SDK comes back and registers everything
// again. A call is given up after 5 s: one whose engine has died is never answered.
const address = process.env.III_URL ?? 'ws://127.0.0.1:49134'
const worker = registerWorker(address, { workerName: 'orders', invocationTimeoutMs: 5000 })

const say = (...words) => console.log(...words)
const call = (function_id, payload, more) => worker.trigger({ function_id, payload, ...more })

// --- 1. functions: async callables; the id is whatever you like, `service::action` by custom ------------------------

const placed = new Map()

async function create({ user_id, item }) {
  // A call inside a call: `users::get` runs in the other worker. If it fails, so do we, with the same words.
  const user = await call('users::get', { user_id })
  const order = { order_id: placed.size + 1, item, customer: user.name }
  placed.set(order.order_id, order)
  orderPlaced.fire(order)
  return order
}

async function get({ order_id }) {
  if (!placed.has(order_id)) throw new Error(`there is no order ${order_id}`)
  return placed.get(order_id)
}

async function pack() {
  // Takes for ever, so that you can kill this worker while somebody waits for it: what does the caller see?
  say('PACKING kill me now')
  return new Promise(() => {})
}

// --- 2. a trigger type of our own: the engine says which functions are bound, and we call them when it is time ------

const orderPlaced = {
  bound: new Map(),
  async registerTrigger({ id, function_id, config }) {
    // What is thrown here is reported to whoever binds, and their trigger does not come to life.
    if (config?.customer !== undefined && typeof config.customer !== 'string') throw new Error('customer must be a string')
    this.bound.set(id, { function_id, config })
    say(`BOUND orders::placed -> ${function_id}`)
  },
  async unregisterTrigger({ id }) {
    // They took it back, or they have gone.
    const gone = this.bound.get(id)
    if (this.bound.delete(id)) say(`UNBOUND orders::placed -> ${gone.function_id}`)
  },
  fire(order) {
    for (const { function_id, config } of this.bound.values()) {
      if ((config?.customer ?? order.customer) === order.customer) call(function_id, order, { action: TriggerAction.Void() })
    }
  },
}

// --- 3. what we want to hear from others ------------------------------------------------------------------------------

async function onUserCreated(user) {
  say(`EVENT users::created -> user ${user.user_id}, ${user.name}`)
}

// --- 4. discovery: the engine calls these two whenever something has changed -------------------------------------------

async function onWorkersChanged({ event }) {
  say('WORKERS', event)
  await lookAround()
}

async function onFunctionsChanged({ functions }) {
  say(`FUNCTIONS ${functions.length} are available`)
  await lookAround()
}

let knownPeer // the id of the peer's connection: a new one means that it was started anew, or has reconnected
let looking = Promise.resolve() // one looks, the next waits

function lookAround() {
  looking = looking.then(async () => {
    const { workers } = await call('engine::workers::list', {})
    const { functions } = await call('engine::functions::list', { worker: PEER })
    const offered = functions.map((one) => one.function_id)
    const peer = workers.find((one) => one.name === PEER)?.id
    if (!peer && knownPeer) {
      knownPeer = undefined
      say(`PEER ${PEER} has left`)
    } else if (peer !== knownPeer && PEER_OFFERS.every((id) => offered.includes(id))) {
      knownPeer = peer
      say(`PEER ${PEER} is here, with ${offered.sort().join(', ')}`)
      workTogether().catch((error) => say('INTERRUPTED', `${error}`)) // when it is back we shall hear of it
    }
  }).catch((error) => say('INTERRUPTED', `${error}`))
  return looking
}

// --- 5. calls, with the results checked ---------------------------------------------------------------------------------

function check(what, result, right) {
  say(right ? 'OK' : 'WRONG', what, '->', JSON.stringify(result))
}

async function refusal(function_id, payload) {
  // Calls what must fail, and returns why it did.
  try {
    return `no error, but ${JSON.stringify(await call(function_id, payload))}`
  } catch (error) {
    return error.message // `code: message`; the code alone is error.code
  }
}

async function workTogether() {
  const user = await call('users::create', { name: 'Grace' })
  check('users::create', user, user.name === 'Grace' && user.user_id > 1)
  const found = await call('users::get', { user_id: user.user_id })
  check('users::get', found, found.name === 'Grace')
  let why = await refusal('users::get', { user_id: -1 })
  check('users::get for nobody', why, why.includes('nobody has the number -1'))
  why = await refusal('users::delete', {})
  check('users::delete, which nobody offers', why, why.startsWith('function_not_found'))
  say(`DONE ${PEER} gave what it promised`)
}

worker.registerTriggerType({ id: 'orders::placed', description: 'An order was placed' }, orderPlaced)
worker.registerFunction('orders::create', create, { description: 'Place an order: {user_id, item}' })
worker.registerFunction('orders::get', get, { description: 'Look an order up: {order_id}' })
worker.registerFunction('orders::pack', pack, { description: 'Never ends' })
worker.registerFunction('orders::on_user_created', onUserCreated, { metadata: { internal: true } })
worker.registerFunction('orders::on_workers_changed', onWorkersChanged, { metadata: { internal: true } })
worker.registerFunction('orders::on_functions_changed', onFunctionsChanged, { metadata: { internal: true } })
worker.registerTrigger({ type: 'users::created', function_id: 'orders::on_user_created', config: { initial: 'G' } })
worker.registerTrigger({ type: 'engine::workers-available', function_id: 'orders::on_workers_changed', config: {} })
worker.registerTrigger({ type: 'engine::functions-available', function_id: 'orders::on_functions_changed', config: {} })
say(`READY ${address}`)

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await worker.shutdown()
    process.exit(0)
  })
}
