"""Check at the start of a program that this machine's libraries compute what the standards say.

A library that was built wrongly could seal secrets to keys that nobody has, and a test of its functions against each other would not show
it. The case is the first one of tests/vectors/public/hpke_pq.json, which others have published.
"""

from __future__ import annotations

from base64 import b85decode
from typing import Final

from ..errors import SelfTestError
from . import hpke, primitives

_SEED: Final = bytes.fromhex("3ec47fa82dd5689d27c6190e724c74ec8f608df3331ce331929e37b829676630")
_PUBLIC_SHA256: Final = bytes.fromhex("ad8aaf3f00d8a39bfeec2947a7d5dde68be08bba19bd301a348a45dc5fcc8341")
_INFO: Final = bytes.fromhex("34663634363532303666366532303631323034373732363536333639363136653230353537323665")
_KEY: Final = bytes.fromhex("131c2ebb469b909a40915914afd7ff5e638888ac7195dcaaaef8f9a84f0e4030")
_NONCE: Final = bytes.fromhex("2b7a68f19e6cdbd43dda3c6d")
_ENC: Final = b85decode(
    b"CUu;9B9cC(%$#`R;Y^RlEz1gK&O}BDW|xY8>1bXIZ6cYSnWOO%!w06-"
    b"vgS3B^d5>e7P?}PgLc+rRdNRAmac~b1^;WHfh8tuz;;%0zRHmOTy3rmJ=)PwU}dS)@|WPl=L@t!mL2kKdKuT99{1v`UQ@FwJbO+D@~<l9STLjL(aS2qlP|%Z"
    b"#X~~_wk(|i21U=6q;-)!rPq2WD~LcYN_VRlu$5Wd=&5XHqI>F(WjyN2JtvE9(NO-AZQ3ZYa%N@8M#{4TWABOUhmZWnOsXe(U8@<C89HZ{aV6{335MJjnR}0P"
    b"gxApGe0l#%XdoOLK?3!sGa~&xscZIC*$kT=V+G(Ev9m;;qx4v?>5d;Q7BYfdJ1_x@weI`OfcIz6x##)!G2xYfgNL5H!L_>v9*Hn4L`sG3?G~F5(ozr9dukCG"
    b"6!X2J^Bn~8P*N+YQ2{DqpQ6nnl2|;+tJhrux1k@=fL6p5xbWbUWi`K>V|;#LN*d|8=?DIu6eK?rVqVEAmsy^wNgJK17`2AteKf}>k_Fv%&koJMV70EK&$-"
    b";B5NY$`{Es&peDko0>PDS}7rmntky)7|natI?_jaK8mTgBu%k8eL6CK`#JhA(?xM`%o9O{ZldM;AuSHDgC>?4_8UkHc<($AU5F9>v06img2gk6025=rN+k)E"
    b"NjU;(WYP#vKd?iq!Zl>u8z7;=#<($w|cg-;Yp;BYv-"
    b"i?Xzs`0dLaaKaEO_h{7!p|m4%IKal^N}Pe44!<b$l?Bsu30o^z$EXm`9)N7K$C~rJgvhp6cz6Wkbl)pUzG}q~)G#FGU(hjB3VhUDlSr+fRS~&qzHgjOgq##8"
    b"_7Ngm4VpURL1vq#MY^bW&BIJN^_O2sk*9x#?4rV6zUDdxl8hU?l@s$-"
    b"M`T`uRYbw$sPjF4DZ$UZ=0abfTJQFsH#(@IfypQr%jLe41$k3c@5dU6MlOfWgOQzQoy-"
    b"00i1+{b7k^7h=&4!Rs(7|P>zVpib6xQC{3SM1sTY5CdoX*lspsU`1TP}YY)=<`xDNX3{`jN1rtv~EHOMe9j3ky3f@AQ#HXW1rwC7rUx|G7Na@`Z|i6&A^{+;"
    b"npc@|nUn7RF99J_~2C9x9~`K+`;Q6*u|eZ~oj2!~J1a7^7^gynb<q@H;D)oxmjc6Jvs94SzhSze;B^s34*-"
    b"8gibxHU4q8{G86DiNLoRam=1eZ9B_wBcOpjq|{ma*QipKp>n^I8z<5wqSR4MCPCrM|yo5lj{#8U+L!sIhVl&1n+4tA!D3|*phAB=7?<!IqQ5`HGbt!frk(oS"
    b"vM2(rr$Tea04}ll+X2=`G+i^EB9jJ1eqdzx-V5C14W(8X?PCsjhm}MK-q2_M~?=!J7CGbu?>*p9Y<FVsY$Djo0;2g!uX=6eaj`xHn%h1z?*`Zsn@ZdXuz7-"
    b"Cj<GkeKgUd%dg}tbM<`="
)


def check() -> None:
    """Raise an error if ML-KEM-768, X-Wing or HPKE gives a wrong answer on this machine (docs/protocol.md, 1 and 7).

    Raises:
        SelfTestError: if an answer is wrong, or if a sealed text does not open.
        UnavailableError: if this machine's libraries have no ML-KEM-768.
    """
    expanded = primitives.shake256(_SEED, primitives.MLKEM768_SEED_BYTES + primitives.X25519_BYTES)
    mlkem_seed, x25519_secret = expanded[: primitives.MLKEM768_SEED_BYTES], expanded[primitives.MLKEM768_SEED_BYTES :]
    mlkem_key, x25519_key = primitives.mlkem_public(mlkem_seed), primitives.x25519_public(x25519_secret)
    _expect("a public key", primitives.sha256(mlkem_key + x25519_key) == _PUBLIC_SHA256)
    shared = hpke.decapsulate(mlkem_seed=mlkem_seed, x25519_secret=x25519_secret, enc=_ENC)
    _expect("a key", hpke.key_schedule(shared, _INFO) == (_KEY, _NONCE))
    sealed = hpke.seal(mlkem_key=mlkem_key, x25519_key=x25519_key, info=_INFO, plaintext=_KEY)
    try:
        opened = hpke.open_sealed(mlkem_seed=mlkem_seed, x25519_secret=x25519_secret, info=_INFO, sealed=sealed)
    except ValueError:
        opened = b""
    _expect("a sealed text", opened == _KEY)


def _expect(what: str, is_right: bool) -> None:
    if not is_right:
        raise SelfTestError(
            f"{what} that ML-KEM-768 or HPKE computed on this machine is wrong: install cryptography and pynacl again",
            hint="if that does not help, check the memory of this machine",
        )
