package caveat

import (
	"fmt"
	"net/netip"
	"reflect"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// addressType is CEL's view of ipaddress: values that can be compared and asked
// whether they are in a network, and nothing else.
var addressType = cel.OpaqueType("IPAddress")

// address is an IP address as a value of CEL. An IPv4 address in IPv6's clothes
// is the IPv4 address.
type address struct{ netip.Addr }

// ConvertToNative gives the text of the address.
func (a address) ConvertToNative(to reflect.Type) (any, error) {
	if to.Kind() == reflect.String {
		return a.String(), nil
	}
	return nil, fmt.Errorf("an ipaddress is no %v", to)
}

// ConvertToType gives the address's type; there are no other conversions.
func (a address) ConvertToType(to ref.Type) ref.Val {
	if to == types.TypeType {
		return addressType
	}
	return types.NewErr("an ipaddress cannot become a %s", to)
}

// Equal compares addresses; nothing else is equal to one.
func (a address) Equal(other ref.Val) ref.Val {
	b, ok := other.(address)
	return types.Bool(ok && a == b)
}

// Type is part of being a value of CEL, as is Value.
func (a address) Type() ref.Type { return addressType }

// Value returns the address as Go has it.
func (a address) Value() any { return a.Addr }

// inCIDR declares `address.in_cidr("10.0.0.0/8")`.
func inCIDR() cel.EnvOption {
	return cel.Function("in_cidr",
		cel.MemberOverload("ipaddress_in_cidr_string", []*cel.Type{addressType, cel.StringType}, cel.BoolType,
			cel.BinaryBinding(func(a, network ref.Val) ref.Val {
				text, ok := network.(types.String)
				if !ok {
					return types.MaybeNoSuchOverloadErr(network)
				}
				prefix, err := netip.ParsePrefix(string(text))
				if err != nil {
					return types.NewErr("`%s` is no network in CIDR notation", shortened(string(text)))
				}
				return types.Bool(prefix.Contains(a.(address).Addr))
			})))
}
