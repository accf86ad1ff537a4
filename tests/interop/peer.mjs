// One MLS client on ts-mls, steered by test_ts_mls.py: a JSON object in a line on standard input is a command, a line on
// standard output is its answer. Bytes are hex. Nothing of Whimbrel is in here but the numbers of docs/protocol/mls.md,
// "Extensions and capabilities".

import readline from "node:readline"
import {
  acceptAll,
  createApplicationMessage,
  createCommit,
  decodeMlsMessage,
  emptyPskIndex,
  encodeMlsMessage,
  generateKeyPackageWithKey,
  getCiphersuiteFromName,
  getCiphersuiteImpl,
  joinGroup,
  mlsExporter,
  processMessage,
} from "ts-mls"
import { decodeRatchetTree, encodeRatchetTree } from "ts-mls/ratchetTree.js"

const SUITE = "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519"
const LEAF_EXTENSION = 0xf000
const ROLES_EXTENSION = 0xf001
const LAST_RESORT = 0x000a
const HYBRID = 0x004e

// ts-mls has another suite at 0x004E. Numbers that it does not know by name it takes as numerals.
const CAPABILITIES = {
  versions: ["mls10"],
  ciphersuites: [String(HYBRID), SUITE],
  extensions: [LEAF_EXTENSION, ROLES_EXTENSION, LAST_RESORT],
  proposals: [],
  credentials: ["basic"],
}
const FOREVER = { notBefore: 0n, notAfter: 2n ** 64n - 1n }

const impl = await getCiphersuiteImpl(getCiphersuiteFromName(SUITE))
let keys // the device's signature key pair, chosen before its credential can be signed
let keyPackage
let state

const hex = (bytes) => Buffer.from(bytes).toString("hex")
const bytes = (text) => new Uint8Array(Buffer.from(text, "hex"))
const message = (text) => decodeMlsMessage(bytes(text), 0)[0]

async function commit(extraProposals) {
  const made = await createCommit({ state, cipherSuite: impl }, { extraProposals })
  state = made.newState
  const answer = { message: hex(encodeMlsMessage(made.commit)) }
  if (made.welcome !== undefined) {
    answer.welcome = hex(encodeMlsMessage({ version: "mls10", wireformat: "mls_welcome", welcome: made.welcome }))
    answer.tree = hex(encodeRatchetTree(state.ratchetTree))
  }
  return answer
}

const commands = {
  async signature_key() {
    keys = await impl.signature.keygen()
    return { public: hex(keys.publicKey) }
  },

  async key_package({ credential, leaf, last_resort, not_after }) {
    const lifetime = not_after === undefined ? FOREVER : { notBefore: 0n, notAfter: BigInt(not_after) }
    keyPackage = await generateKeyPackageWithKey(
      { credentialType: "basic", identity: bytes(credential) },
      CAPABILITIES,
      lifetime,
      last_resort ? [{ extensionType: LAST_RESORT, extensionData: new Uint8Array() }] : [],
      keys,
      impl,
      [{ extensionType: LEAF_EXTENSION, extensionData: bytes(leaf) }],
    )
    const framed = { version: "mls10", wireformat: "mls_key_package", keyPackage: keyPackage.publicPackage }
    return { message: hex(encodeMlsMessage(framed)) }
  },

  async join({ welcome, tree }) {
    const beside = decodeRatchetTree(bytes(tree), 0)[0]
    const { publicPackage, privatePackage } = keyPackage
    state = await joinGroup(message(welcome).welcome, publicPackage, privatePackage, emptyPskIndex, impl, beside)
    return {}
  },

  async process(command) {
    const done = await processMessage(message(command.message), state, emptyPskIndex, acceptAll, impl)
    state = done.newState
    return done.kind === "applicationMessage" ? { kind: "post", plaintext: hex(done.message) } : { kind: "commit" }
  },

  async send({ plaintext }) {
    const made = await createApplicationMessage(state, bytes(plaintext), impl)
    state = made.newState
    const framed = { version: "mls10", wireformat: "mls_private_message", privateMessage: made.privateMessage }
    return { message: hex(encodeMlsMessage(framed)) }
  },

  update: () => commit([]),
  add: ({ key_package }) => commit([{ proposalType: "add", add: { keyPackage: message(key_package).keyPackage } }]),
  remove: ({ index }) => commit([{ proposalType: "remove", remove: { removed: index } }]),

  async epoch({ label, context, length }) {
    const { epochAuthenticator, exporterSecret } = state.keySchedule
    return {
      number: Number(state.groupContext.epoch),
      group: hex(state.groupContext.groupId),
      authenticator: hex(epochAuthenticator),
      exported: hex(await mlsExporter(exporterSecret, label, bytes(context), length, impl)),
      extensions: state.groupContext.extensions.map((e) => [e.extensionType, hex(e.extensionData)]),
      active: state.groupActiveState.kind,
    }
  },

  async members() {
    const leaves = state.ratchetTree.filter((_, at) => at % 2 === 0)
    return {
      members: leaves.flatMap((node, index) =>
        node === undefined
          ? []
          : [
              {
                index,
                signature_key: hex(node.leaf.signaturePublicKey),
                credential: hex(node.leaf.credential.identity),
                extensions: node.leaf.extensions.map((e) => [e.extensionType, hex(e.extensionData)]),
              },
            ],
      ),
    }
  },
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { command, ...given } = JSON.parse(line)
  let answer
  try {
    answer = await commands[command](given)
  } catch (error) {
    answer = { error: `${error.name}: ${error.message}` }
  }
  process.stdout.write(JSON.stringify(answer) + "\n")
}
